//! The consumer's side: a rendered property list is read again by the `plist` crate. It must hold exactly what
//! was meant, in keys and types that launchd knows.

use super::keys;
use plist::{Dictionary, Value};

/// Whether each one is, as soon as it is rendered: in every build that tests run in. In a release it would
/// only find again what they found, and take five times as long as to render (31 µs, the rest 7).
pub(super) const EACH: bool = cfg!(debug_assertions);

/// Reads a rendered property list; the error is what is wrong with it.
pub(super) fn check(text: &str, meant: &Dictionary) -> Result<(), String> {
    let found = dictionary(text)?;
    known(&found)?;
    if let Some(key) = meant.keys().chain(found.keys()).find(|key| meant.get(key) != found.get(key)) {
        return Err(format!("`{key}` would not be read as it was meant"));
    }
    Ok(())
}

/// The dictionary of a property list.
pub(super) fn dictionary(text: &str) -> Result<Dictionary, String> {
    match Value::from_reader_xml(text.as_bytes()) {
        Ok(value) => value.into_dictionary().ok_or_else(|| "it is no dictionary".to_owned()),
        Err(error) => Err(format!("it is no property list: {error}")),
    }
}

/// Whether launchd knows all keys of a dictionary, and takes their types.
fn known(found: &Dictionary) -> Result<(), String> {
    for (key, value) in found {
        let kinds = keys::of(key).ok_or_else(|| format!("launchd does not know the key `{key}`"))?;
        keys::check(value, kinds).map_err(|(path, reason)| format!("`{key}{path}` {reason}"))?;
    }
    let texts = |key: &str| found.get(key).is_some();
    if texts("Label") && (texts("Program") || texts("ProgramArguments")) {
        Ok(())
    } else {
        Err("it has no label or no program".to_owned())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn plist(inside: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<plist version=\"1.0\"><dict><key>Label</key><string>a</string>\
             <key>ProgramArguments</key><array><string>/a</string></array>{inside}</dict></plist>"
        )
    }

    #[test]
    fn another_value_or_key_shows() {
        let good = plist("<key>Nice</key><integer>5</integer>");
        let meant = dictionary(&good).unwrap();
        assert_eq!(check(&good, &meant), Ok(()));
        assert!(check(&good.replace('5', "6"), &meant).unwrap_err().contains("`Nice`"));
        assert!(check(&good.replace(">5<", "> 5 x<"), &meant).is_err());
        assert!(check(&plist(""), &meant).unwrap_err().contains("`Nice`"));
        assert!(check(&plist("<key>Nise</key><integer>5</integer>"), &meant).unwrap_err().contains("does not know"));
        let text = plist("<key>Nice</key><string>5</string>");
        assert!(check(&text, &meant).unwrap_err().contains("is not a whole number"));
        assert!(check("<plist><string>a</string></plist>", &meant).unwrap_err().contains("no dictionary"));
    }
}
