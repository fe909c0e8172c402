//! A strict reader of XML property lists, written from XML 1.0 and Apple's DTD, independent of the renderer
//! and of the `plist` crate, which takes characters that others refuse.

/// What a property list holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Dict(Vec<(String, Node)>),
    Array(Vec<Node>),
    Text(String),
    Integer(i64),
    Flag(bool),
}

impl Node {
    /// The value of a key; a key stands once.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        let Self::Dict(pairs) = self else { panic!("{self:?} is no dictionary") };
        let found: Vec<&Node> = pairs.iter().filter(|(name, _)| name == key).map(|(_, value)| value).collect();
        assert!(found.len() <= 1, "`{key}` stands twice");
        found.first().copied()
    }

    /// The keys, in order.
    pub(super) fn keys(&self) -> Vec<&str> {
        let Self::Dict(pairs) = self else { panic!("{self:?} is no dictionary") };
        pairs.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// A list of strings.
    pub(super) fn texts(&self) -> Vec<&str> {
        let Self::Array(items) = self else { panic!("{self:?} is no list") };
        items.iter().map(Node::text).collect()
    }

    pub(super) fn text(&self) -> &str {
        let Self::Text(text) = self else { panic!("{self:?} is no string") };
        text
    }
}

/// Reads a file; panics where a strict reader refuses it.
pub(super) fn read(text: &str) -> Node {
    let is_char = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    assert!(text.chars().all(is_char), "a character that XML does not have");
    let mut reader = Reader { rest: text };
    reader.expect("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">");
    reader.between();
    reader.expect("<plist version=\"1.0\">");
    reader.between();
    let root = reader.node();
    reader.between();
    reader.expect("</plist>");
    reader.between();
    assert_eq!(reader.rest, "", "text behind the root element");
    root
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn expect(&mut self, text: &str) {
        assert!(self.takes(text), "expected {text:?} at {:?}", self.rest.chars().take(40).collect::<String>());
    }

    fn takes(&mut self, text: &str) -> bool {
        self.rest.strip_prefix(text).map(|rest| self.rest = rest).is_some()
    }

    /// White space and comments.
    fn between(&mut self) {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
            if !self.takes("<!--") {
                return;
            }
            let (comment, rest) = self.rest.split_once("--").expect("a comment ends");
            assert!(!comment.contains("--"));
            self.rest = rest.strip_prefix('>').expect("no `--` inside a comment");
        }
    }

    fn node(&mut self) -> Node {
        if self.takes("<dict>") {
            let mut pairs = Vec::new();
            loop {
                self.between();
                if self.takes("</dict>") {
                    return Node::Dict(pairs);
                }
                self.expect("<key>");
                let key = self.text("</key>");
                self.between();
                pairs.push((key, self.node()));
            }
        }
        if self.takes("<array>") {
            let mut items = Vec::new();
            loop {
                self.between();
                if self.takes("</array>") {
                    return Node::Array(items);
                }
                items.push(self.node());
            }
        }
        if self.takes("<string>") {
            return Node::Text(self.text("</string>"));
        }
        if self.takes("<integer>") {
            return Node::Integer(self.text("</integer>").parse().expect("a number"));
        }
        if self.takes("<true/>") {
            return Node::Flag(true);
        }
        self.expect("<false/>");
        Node::Flag(false)
    }

    /// Character data up to `end`: references replaced, line ends as XML 1.0, section 2.11, has them.
    fn text(&mut self, end: &str) -> String {
        let (inside, rest): (&'a str, &'a str) = self.rest.split_once('<').expect("an element ends");
        self.rest = &self.rest[inside.len()..];
        assert!(rest.len() < self.rest.len());
        self.expect(end);
        assert!(!inside.contains("]]>"), "XML 1.0, section 2.4");
        let inside = inside.replace("\r\n", "\n").replace('\r', "\n");
        let mut parts = inside.split('&');
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, after) = part.split_once(';').expect("a reference ends");
            out.push(match name {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "#13" => '\r',
                other => panic!("an unknown reference: {other}"),
            });
            out.push_str(after);
        }
        out
    }
}
