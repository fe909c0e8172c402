//! YAML out of JSON values, by saphyr; every text in quotes, so that no reader takes one for a number or date.

use saphyr::{Mapping, Scalar, Yaml, YamlEmitter};
use serde_json::Value;

/// One document, with its `---`.
pub(super) fn document(value: &Value) -> String {
    let mut text = String::new();
    let mut emitter = YamlEmitter::new(&mut text);
    emitter.quoted_value(true);
    // a String takes everything
    let _ = emitter.dump(&tree(value));
    text.push('\n');
    text
}

fn tree(value: &Value) -> Yaml<'static> {
    match value {
        Value::Null => Yaml::Value(Scalar::Null),
        Value::Bool(flag) => Yaml::Value(Scalar::Boolean(*flag)),
        Value::Number(number) => Yaml::Value(Scalar::Integer(number.as_i64().unwrap_or(i64::MAX))),
        Value::String(text) => Yaml::Value(Scalar::String(text.clone().into())),
        Value::Array(items) => Yaml::Sequence(items.iter().map(tree).collect()),
        Value::Object(entries) => {
            let key = |key: &String| Yaml::Value(Scalar::String(key.clone().into()));
            Yaml::Mapping(entries.iter().map(|(name, value)| (key(name), tree(value))).collect::<Mapping<'_>>())
        }
    }
}

/// What YAML can't hold raw, and saphyr does not escape (YAML 1.2, 5.1).
pub(super) fn is_unprintable(text: &str) -> bool {
    text.chars().any(|c| matches!(c, '\u{80}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}'))
}
