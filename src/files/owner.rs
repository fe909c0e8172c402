//! The mark of svc in a rendered file: who made it, from which definition, and whether somebody
//! changed it since.
//!
//! A file of svc ends with a section `[X-Svc]` (systemd ignores sections that begin with `X-`,
//! systemd.syntax(7)): `Name=`, `Definition=` and, last in the file, `Hash=`, the SHA-256 of all
//! bytes before that line. In a TOML file the section is a table and the three are strings in it
//! (`Hash = "…"`). The section is the last in the file, and the last line `[X-Svc]` begins it: in TOML a
//! value of several lines may hold such a line too. In a property list the section is a comment behind the
//! root element, closed by ` -->` behind the hash (XML 1.0, production `Misc`).

use sha2::{Digest, Sha256};

const SECTION: &str = "[X-Svc]";
const DEFINITION: &str = "Definition=";
const HASH: &str = "Hash=";
const XML: &str = "<?xml ";
const XML_OPEN: &str = "<!--";
const XML_CLOSE: &str = " -->";
const TOML_DEFINITION: &str = "Definition = ";
const TOML_HASH: &str = "Hash = ";

/// Whose a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// svc made it.
    Svc {
        /// From what, as the file says: the path of a manifest (with `\` doubled and what a line
        /// can't show as `\xNN`), or `the command line in FOLDER`.
        definition: Option<String>,
        /// It is what svc wrote, byte for byte.
        intact: bool,
    },
    /// Somebody else did.
    Foreign,
}

/// SHA-256 of `contents`, 64 hexadecimal digits.
pub fn hash(contents: &str) -> String {
    hash_bytes(contents.as_bytes())
}

/// SHA-256 of bytes, 64 hexadecimal digits.
pub fn hash_bytes(contents: &[u8]) -> String {
    hexadecimal(&hash_of(contents))
}

/// SHA-256 of bytes.
pub fn hash_of(contents: &[u8]) -> [u8; 32] {
    Sha256::digest(contents).into()
}

/// A hash as 64 hexadecimal digits.
pub fn hexadecimal(hash: &[u8; 32]) -> String {
    let digit = |four: u8| char::from(b"0123456789abcdef"[usize::from(four)]);
    hash.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Closes a file whose last section is `[X-Svc]` with its hash.
pub fn seal(mut contents: String) -> String {
    if !contents.ends_with('\n') {
        contents.push('\n');
    }
    let hash = hash(&contents);
    contents + HASH + &hash + "\n"
}

/// Closes an XML file that ends in an open comment with the section `[X-Svc]`.
pub fn seal_xml(contents: String) -> String {
    let mut sealed = seal(contents);
    sealed.truncate(sealed.len() - 1);
    sealed + XML_CLOSE + "\n"
}

/// Closes a TOML file of the service `name` with the whole mark. `definition` is one line.
pub fn seal_toml(mut contents: String, name: &str, definition: &str) -> Result<String, toml::ser::Error> {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Mark<'a> {
        name: &'a str,
        definition: &'a str,
    }
    contents += SECTION;
    contents += "\n";
    contents += &toml::to_string(&Mark { name, definition })?;
    let hash = hash(&contents);
    Ok(format!("{contents}{TOML_HASH}\"{hash}\"\n"))
}

/// Reads the mark of a file.
pub fn owner(contents: &str) -> Owner {
    let mut lines: Vec<&str> = contents.lines().map(str::trim).collect();
    let Some(at) = lines.iter().rposition(|line| *line == SECTION).filter(|at| at + 1 < lines.len()) else {
        return Owner::Foreign;
    };
    // a value of several lines may hold such a line, but none stands behind the root element
    if contents.starts_with(XML) && (at < 2 || lines[at - 1] != XML_OPEN || !lines[at - 2].ends_with('>')) {
        return Owner::Foreign;
    }
    let mark = lines.split_off(at + 1);
    let definition = mark.into_iter().take_while(|line| !line.starts_with('[')).find_map(|line| {
        match line.strip_prefix(TOML_DEFINITION) {
            Some(value) => string(value),
            None => line.strip_prefix(DEFINITION).map(str::to_owned),
        }
    });
    Owner::Svc { definition, intact: is_intact(contents) }
}

/// What a TOML string says.
fn string(value: &str) -> Option<String> {
    let table: toml::Table = format!("x = {value}").parse().ok()?;
    table.get("x")?.as_str().map(str::to_owned)
}

fn is_intact(contents: &str) -> bool {
    let Some(before_end) = contents.strip_suffix('\n') else { return false };
    let Some((_, last)) = before_end.rsplit_once('\n') else { return false };
    let sealed = &contents[..before_end.len() - last.len()];
    let quoted = |text: &str| Some(text.strip_prefix('"')?.strip_suffix('"')?.to_owned());
    let last = if contents.starts_with(XML) { last.strip_suffix(XML_CLOSE).unwrap_or_default() } else { last };
    let said = last.strip_prefix(TOML_HASH).map_or_else(|| last.strip_prefix(HASH).map(str::to_owned), quoted);
    said.is_some_and(|said| said == hash(sealed))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "[Service]\nExecStart=:/bin/true\n\n[X-Svc]\nName=web\nDefinition=/srv/svc.toml\n";

    fn ours(intact: bool) -> Owner {
        Owner::Svc { definition: Some("/srv/svc.toml".to_owned()), intact }
    }

    #[test]
    fn a_sealed_file_is_ours_and_intact() {
        let sealed = seal(BODY.to_owned());
        assert_eq!(owner(&sealed), ours(true));
        assert_eq!(seal(BODY.trim_end().to_owned()), sealed);
        assert!(sealed.ends_with(&format!("\nHash={}\n", hash(BODY))));
    }

    #[test]
    fn any_changed_byte_shows() {
        let sealed = seal(BODY.to_owned());
        for (at, byte) in sealed.bytes().enumerate() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if byte == b'z' { b'y' } else { b'z' };
            let changed = String::from_utf8(changed).unwrap_or_default();
            let intact = matches!(owner(&changed), Owner::Svc { intact: true, .. });
            assert!(!intact, "byte {at}");
        }
        assert_eq!(owner(&format!("{sealed}# mine\n")), ours(false));
        assert_eq!(owner(&sealed.replace('\n', "\r\n")), ours(false));
        assert_eq!(owner(BODY), ours(false));
    }

    #[test]
    fn a_sealed_toml_file_is_toml_and_ours() {
        let definition = "/srv/a \"b\" 'c' [X-Svc]\\.toml";
        let body = "version = 1\nx = \"\"\"\n[X-Svc]\nDefinition = \"forged\"\n\"\"\"\n\n".to_owned();
        let sealed = seal_toml(body, "web", definition).expect("sealed");
        let table: toml::Table = sealed.parse().expect("TOML");
        assert_eq!(table["X-Svc"]["Definition"].as_str(), Some(definition));
        assert_eq!(table["X-Svc"]["Name"].as_str(), Some("web"));
        assert_eq!(owner(&sealed), Owner::Svc { definition: Some(definition.to_owned()), intact: true });
        for (at, byte) in sealed.bytes().enumerate() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if byte == b'z' { b'y' } else { b'z' };
            let changed = String::from_utf8(changed).unwrap_or_default();
            assert!(!matches!(owner(&changed), Owner::Svc { intact: true, .. }), "byte {at}");
        }
        assert_eq!(
            owner(&sealed.replace("Hash = ", "Hash =")),
            Owner::Svc { definition: Some(definition.to_owned()), intact: false }
        );
    }

    #[test]
    fn a_sealed_property_list_is_ours() {
        let body = "<?xml version=\"1.0\"?>\n<plist>\n</plist>\n<!--\n[X-Svc]\nName=web\nDefinition=/srv/svc.toml\n";
        let sealed = seal_xml(body.to_owned());
        assert!(sealed.ends_with(&format!("\nHash={} -->\n", hash(body))));
        assert_eq!(owner(&sealed), ours(true));
        for (at, byte) in sealed.bytes().enumerate() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if byte == b'z' { b'y' } else { b'z' };
            let changed = String::from_utf8(changed).unwrap_or_default();
            assert!(!matches!(owner(&changed), Owner::Svc { intact: true, .. }), "byte {at}");
        }
        assert_eq!(owner(&sealed.replace("web", "wab")), ours(false));
        let value = "<?xml version=\"1.0\"?>\n<plist>\n<string>\n[X-Svc]\nDefinition=/x\n</string></plist>\n";
        assert_eq!(owner(value), Owner::Foreign);
        let unit = format!("{} -->\n", seal(BODY.to_owned()).trim_end());
        assert_eq!(owner(&unit), ours(false), "only a comment of XML is closed");
    }

    #[test]
    fn files_of_others_are_foreign() {
        for text in ["", "\n", "[Service]\nExecStart=/bin/true\n", "# [X-Svc]\n", "[X-Svc]"] {
            assert_eq!(owner(text), Owner::Foreign, "{text:?}");
        }
    }

    #[test]
    fn the_hash_is_sha_256() {
        assert_eq!(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
