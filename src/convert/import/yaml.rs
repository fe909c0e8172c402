//! YAML, and JSON as a part of it, with the line of every value: saphyr's marked nodes as a small tree.

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

/// More than any file of services has; what nests deeper is refused before it is read.
const DEEPEST: usize = 64;

/// A value and its line, from 1.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::convert) struct Node {
    pub(in crate::convert) line: usize,
    pub(in crate::convert) kind: Kind,
}

/// What it is.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::convert) enum Kind {
    Null,
    /// Text, and whether it was a bare word that reads as a number or boolean.
    Text(String),
    Flag(bool),
    Int(i64),
    Real(f64),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// The first document.
pub(in crate::convert) fn read(text: &str) -> Result<Node, (usize, String)> {
    if depth(text) > DEEPEST {
        return Err((1, "nests deeper than any file of services".into()));
    }
    let mut all = MarkedYaml::load_from_str(text)
        .map_err(|error| (error.marker().line(), format!("is not YAML: {}", error.info())))?;
    if all.is_empty() {
        return Ok(Node { line: 1, kind: Kind::Null });
    }
    let root = node(&all.remove(0));
    match nul(&root) {
        Some(line) => Err((line, "contains a NUL byte, which no program can be given".into())),
        None => Ok(root),
    }
}

/// The line of a text with a NUL, which an escape can make.
fn nul(node: &Node) -> Option<usize> {
    match &node.kind {
        Kind::Text(text) => text.contains('\0').then_some(node.line),
        Kind::List(items) => items.iter().find_map(nul),
        Kind::Map(entries) => {
            entries.iter().find_map(|(key, value)| if key.contains('\0') { Some(value.line) } else { nul(value) })
        }
        Kind::Null | Kind::Flag(_) | Kind::Int(_) | Kind::Real(_) => None,
    }
}

/// At most so deep does the text nest: brackets open at once, dashes of a line, and steps of its indentation.
fn depth(text: &str) -> usize {
    let (mut open, mut deepest) = (0usize, 0);
    for c in text.chars() {
        match c {
            '[' | '{' => open += 1,
            ']' | '}' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    let mut indents: Vec<usize> = Vec::new();
    for line in text.lines() {
        let rest = line.trim_start_matches(' ');
        let indent = line.len() - rest.len();
        let dashes = rest.split(' ').take_while(|word| matches!(*word, "-" | "?" | ":" | "")).count();
        while indents.last().is_some_and(|last| *last >= indent) {
            indents.pop();
        }
        indents.push(indent);
        deepest = deepest.max(indents.len() + dashes);
    }
    deepest
}

fn node(from: &MarkedYaml<'_>) -> Node {
    let line = from.span.start.line();
    let kind = match &from.data {
        YamlData::Value(scalar) => match scalar {
            Scalar::Null => Kind::Null,
            Scalar::Boolean(flag) => Kind::Flag(*flag),
            Scalar::Integer(number) => Kind::Int(*number),
            Scalar::FloatingPoint(number) => Kind::Real(number.into_inner()),
            Scalar::String(text) => Kind::Text(text.to_string()),
        },
        YamlData::Sequence(items) => Kind::List(items.iter().map(node).collect()),
        YamlData::Mapping(entries) => {
            Kind::Map(entries.iter().map(|(key, value)| (node(key).text().unwrap_or_default(), node(value))).collect())
        }
        YamlData::Tagged(_, inner) => node(inner).kind,
        YamlData::Representation(text, ..) => Kind::Text(text.to_string()),
        YamlData::Alias(_) | YamlData::BadValue => Kind::Null,
    };
    Node { line, kind }
}

impl Node {
    /// A value of a map.
    pub(in crate::convert) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Of a map; none of anything else.
    pub(in crate::convert) fn entries(&self) -> &[(String, Self)] {
        if let Kind::Map(entries) = &self.kind { entries } else { &[] }
    }

    /// Of a list; none of anything else.
    pub(in crate::convert) fn items(&self) -> &[Self] {
        if let Kind::List(items) = &self.kind { items } else { &[] }
    }

    /// As text: also numbers and booleans.
    pub(in crate::convert) fn text(&self) -> Option<String> {
        match &self.kind {
            Kind::Text(text) => Some(text.clone()),
            Kind::Flag(flag) => Some(flag.to_string()),
            Kind::Int(number) => Some(number.to_string()),
            Kind::Real(number) => Some(number.to_string()),
            Kind::Null | Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// A whole number.
    pub(in crate::convert) fn int(&self) -> Option<i64> {
        match &self.kind {
            Kind::Int(number) => Some(*number),
            Kind::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// One text, or each of a list.
    pub(in crate::convert) fn texts(&self) -> Option<Vec<String>> {
        match &self.kind {
            Kind::List(items) => items.iter().map(Self::text).collect(),
            _ => self.text().map(|one| vec![one]),
        }
    }

    /// Nothing was written.
    pub(in crate::convert) fn is_null(&self) -> bool {
        self.kind == Kind::Null
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_lines_and_json_is_read_too() {
        let all = read("a: 1\nb:\n  - x\n  - \"2\"\n").unwrap();
        assert_eq!(all.get("b").unwrap().texts().unwrap(), ["x", "2"]);
        assert_eq!(all.get("b").unwrap().items()[1].line, 4);
        let json = read("{\n \"apps\": [{\"name\": \"a\\u00e4\\n\", \"n\": 2.5, \"t\": true}]}").unwrap();
        let app = &json.get("apps").unwrap().items()[0];
        assert_eq!(app.get("name").unwrap().text().unwrap(), "aä\n");
        assert_eq!(
            (app.get("n").unwrap().text(), app.get("t").unwrap().text()),
            (Some("2.5".into()), Some("true".into()))
        );
        assert_eq!(read("a: [1\nb: 2").unwrap_err().0, 2);
        assert_eq!(read("a: 1\nb: \"x\\0\"").unwrap_err().0, 2);
        assert!(read(&"[".repeat(100_000)).is_err() && read(&"- ".repeat(100_000)).is_err());
        let steps: String = (0..3000).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
        assert!(read(&steps).is_err());
    }
}
