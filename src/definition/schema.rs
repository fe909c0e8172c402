//! The JSON schema of the manifest, for editors: `svc schema`. Made of the table of fields
//! ([`Field`]), which the reader reads by too.
//!
//! Draft 7, which the editors' TOML servers know best. What a schema can't say (a program that is not
//! there, two fields that exclude each other across `[defaults]`, cycles) is the reader's to refuse.

use crate::service::field::Field;
use crate::service::name::MAX_NAME;
use crate::service::shape::{Key, Shape};
use serde_json::{Map, Value, json};

/// Fields that can't stand in `[defaults]`.
pub(crate) const NO_DEFAULT: [Field; 3] = [Field::Command, Field::Script, Field::Instances];

/// The schema of `svc.toml`.
pub fn schema() -> Value {
    let all = |wanted: fn(Field) -> bool| -> Map<String, Value> {
        let fields = Field::ALL.iter().copied().filter(|field| wanted(*field));
        fields.map(|field| (field.key().to_owned(), json!({ "$ref": reference(field) }))).collect()
    };
    let definitions: Map<String, Value> =
        Field::ALL.iter().map(|field| (field.key().to_owned(), described(*field))).collect();
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "svc.toml",
        "description": "The services of a project",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "project": {
                "description": "Name of the project, for `svc list` and {project}",
                "type": "string", "minLength": 1, "pattern": "^[^\\u0000-\\u001f\\u007f]*$",
            },
            "defaults": {
                "description": "Fields that hold for every service that does not have them",
                "type": "object",
                "additionalProperties": false,
                "properties": all(|field| !NO_DEFAULT.contains(&field)),
            },
            "service": {
                "description": "The services, by name",
                "type": "object",
                "propertyNames": { "pattern": "^[A-Za-z0-9](?!.*\\.\\.)[A-Za-z0-9_.@-]*$", "maxLength": MAX_NAME },
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": all(|_| true),
                    "oneOf": [{ "required": ["command"] }, { "required": ["script"] }],
                    "not": { "required": ["every", "schedule"] },
                },
            },
        },
        "definitions": definitions,
    })
}

fn reference(field: Field) -> String {
    format!("#/definitions/{}", field.key())
}

/// A field: its values, what it means, its unit, default and examples.
fn described(field: Field) -> Value {
    let examples: Vec<Value> = field
        .example()
        .lines()
        .filter_map(|line| line.parse::<toml::Table>().ok()?.remove(field.key()))
        .filter_map(|value| serde_json::to_value(value).ok())
        .collect();
    let mut schema =
        with(shape(field.shape()), field.doc(), field.shape(), field.default_text(), field.default_value());
    schema.insert("examples".into(), Value::Array(examples));
    Value::Object(schema)
}

fn with(
    mut schema: Map<String, Value>,
    doc: &str,
    shape: Shape,
    default: &str,
    value: Option<toml::Value>,
) -> Map<String, Value> {
    let unit = shape.unit().map(|unit| format!("\nUnit: {unit}")).unwrap_or_default();
    schema.insert("description".into(), format!("{doc}{unit}\nDefault: {default}").into());
    if let Some(value) = value.and_then(|value| serde_json::to_value(value).ok()) {
        schema.insert("default".into(), value);
    }
    schema
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// What a text may not hold: no program can be given a NUL.
const NO_NUL: &str = "^[^\\u0000]*$";

/// A time as [`super::units::duration`] reads it.
const TIME: &str = concat!(
    "^\\s*(?:\\d+(?:[.,]\\d+)?\\s*",
    "(?:w|wk|wks|week|weeks|d|day|days|h|hr|hrs|hour|hours|m|min|mins|minute|minutes|s|sec|secs|second|seconds",
    "|ms|msec|msecs|milli|millis|millisecond|milliseconds|us|µs|μs|usec|usecs|micro|micros|microsecond|microseconds",
    "|ns|nsec|nsecs|nano|nanos|nanosecond|nanoseconds),?\\s*)+$"
);

fn shape(shape: Shape) -> Map<String, Value> {
    let text = || json!({ "type": "string", "pattern": NO_NUL });
    let table =
        |keys: &[Key]| json!({ "type": "object", "additionalProperties": false, "properties": properties(keys) });
    object(match shape {
        Shape::Text => text(),
        Shape::Path => json!({ "type": "string", "minLength": 1, "pattern": NO_NUL }),
        Shape::Command => json!({ "oneOf": [
            { "type": "string", "pattern": NO_NUL, "minLength": 1 },
            { "type": "array", "items": text(), "minItems": 1 },
        ] }),
        Shape::List => json!({ "oneOf": [text(), { "type": "array", "items": text() }] }),
        Shape::Instances => json!({ "type": "array", "minItems": 1, "uniqueItems": true,
            "items": { "oneOf": [{ "type": "string", "pattern": "^[A-Za-z0-9_.@-]+$" }, { "type": "integer" }] } }),
        Shape::Words(words) => json!({ "type": "string", "enum": words() }),
        Shape::Signal => json!({ "type": "string", "pattern": "^(?:[Ss][Ii][Gg])?[A-Za-z0-9]+$" }),
        Shape::Duration => json!({ "type": "string", "pattern": TIME }),
        Shape::Span => json!({ "type": "string", "pattern": TIME, "not": { "pattern": "^[^1-9]*$" } }),
        Shape::Size => json!({ "oneOf": [
            { "type": "integer", "minimum": 1 },
            { "type": "string", "pattern": "^[\\s0-9.,_]*[0-9][\\s0-9.,_]*(?:[kKmMgGtTpPeE][iI]?)?[bB]?\\s*$" },
        ] }),
        Shape::Percent => {
            json!({ "type": "string", "pattern": "^\\s*\\+?[0-9]+\\s*%\\s*$", "not": { "pattern": "^[^1-9]*$" } })
        }
        Shape::Rate => {
            json!({ "type": "string", "pattern": "^\\s*\\+?0*[1-9][0-9]{0,9}\\s*/\\s*[smh]\\s*$" })
        }
        Shape::Mask => json!({ "type": "string", "pattern": "^(?:0o)?0?[0-7]{1,3}$" }),
        Shape::Integer(from, to) => json!({ "type": "integer", "minimum": from, "maximum": to }),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Address => json!({ "type": "string", "pattern": "^\\S+:\\+?[0-9]*[1-9][0-9]*$" }),
        Shape::Url => json!({ "type": "string", "pattern": "^http://\\S+$" }),
        Shape::Variables => json!({
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" },
            "additionalProperties": { "type": ["string", "integer", "number", "boolean"] },
        }),
        Shape::Table(keys) => table(keys),
        Shape::WordOrOneOf(words, keys) => {
            let mut one = object(table(keys));
            one.insert("minProperties".into(), 1.into());
            one.insert("maxProperties".into(), 1.into());
            json!({ "oneOf": [{ "type": "string", "enum": words }, one] })
        }
        Shape::Sections => {
            let line = json!({ "type": ["string", "integer", "number", "boolean"] });
            let lines = json!({ "oneOf": [line, { "type": "array", "items": line }] });
            let keys = json!({ "type": "object", "additionalProperties": lines,
                "propertyNames": { "pattern": "^[A-Za-z][A-Za-z0-9-]*$" } });
            let sections: Map<String, Value> = crate::service::pass_through::SECTIONS
                .iter()
                .map(|section| ((*section).to_owned(), keys.clone()))
                .collect();
            json!({ "type": "object", "additionalProperties": false, "properties": sections })
        }
        Shape::Anything => json!({ "type": "object" }),
    })
}

fn properties(keys: &[Key]) -> Map<String, Value> {
    let one = |key: &Key| with(shape(key.shape), key.doc, key.shape, key.default_text, key.default_value());
    keys.iter().map(|key| (key.name.to_owned(), Value::Object(one(key)))).collect()
}
