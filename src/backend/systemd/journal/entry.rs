//! One entry as `journalctl -o json` prints it, or of the journal's own files. Field names: systemd.journal-fields(7); values:
//! journalctl(1), `-o json`.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use std::path::PathBuf;

/// One entry, with journald's field names.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Entry {
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    time: Option<String>,
    #[serde(rename = "__CURSOR")]
    cursor: Option<String>,
    #[serde(rename = "MESSAGE")]
    message: Option<Value>,
    #[serde(rename = "_UID")]
    uid: Option<Value>,
    #[serde(rename = "_TRANSPORT")]
    transport: Option<Value>,
    #[serde(rename = "_PID")]
    pid: Option<Value>,
    #[serde(rename = "_SYSTEMD_USER_UNIT")]
    user_unit: Option<Value>,
    #[serde(rename = "_SYSTEMD_UNIT")]
    unit: Option<Value>,
    #[serde(rename = "USER_UNIT")]
    about_user_unit: Option<Value>,
    #[serde(rename = "UNIT")]
    about_unit: Option<Value>,
    #[serde(rename = "OBJECT_SYSTEMD_USER_UNIT")]
    object_user_unit: Option<Value>,
    #[serde(rename = "OBJECT_SYSTEMD_UNIT")]
    object_unit: Option<Value>,
    #[serde(rename = "OBJECT_UID")]
    object_uid: Option<Value>,
    #[serde(rename = "SYSLOG_IDENTIFIER")]
    identifier: Option<Value>,
    #[serde(rename = "CONFIG_FILE")]
    file: Option<Value>,
    #[serde(rename = "CONFIG_LINE")]
    line: Option<Value>,
    #[serde(rename = "MESSAGE_ID")]
    message_id: Option<Value>,
    #[serde(rename = "EXIT_CODE")]
    exit_kind: Option<Value>,
    #[serde(rename = "EXIT_STATUS")]
    exit_status: Option<Value>,
    #[serde(rename = "UNIT_RESULT")]
    result: Option<Value>,
}

/// The fields that [`Entry`] reads: journalctl prints the others for nothing.
pub(super) const FIELDS: &str = "--output-fields=MESSAGE,_PID,_UID,_TRANSPORT,_SYSTEMD_USER_UNIT,_SYSTEMD_UNIT,USER_UNIT,UNIT,OBJECT_SYSTEMD_USER_UNIT,OBJECT_SYSTEMD_UNIT,OBJECT_UID,SYSLOG_IDENTIFIER,CONFIG_FILE,CONFIG_LINE,MESSAGE_ID,EXIT_CODE,EXIT_STATUS,UNIT_RESULT";

impl Entry {
    /// Of its time, in microseconds, and its fields as the journal holds them.
    pub(super) fn of_fields<'a>(time: u64, fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut entry = Self { time: Some(time.to_string()), ..Self::default() };
        for (field, bytes) in fields {
            let place = match field {
                "MESSAGE" => &mut entry.message,
                "_UID" => &mut entry.uid,
                "_TRANSPORT" => &mut entry.transport,
                "_PID" => &mut entry.pid,
                "_SYSTEMD_USER_UNIT" => &mut entry.user_unit,
                "_SYSTEMD_UNIT" => &mut entry.unit,
                "USER_UNIT" => &mut entry.about_user_unit,
                "UNIT" => &mut entry.about_unit,
                "OBJECT_SYSTEMD_USER_UNIT" => &mut entry.object_user_unit,
                "OBJECT_SYSTEMD_UNIT" => &mut entry.object_unit,
                "OBJECT_UID" => &mut entry.object_uid,
                "SYSLOG_IDENTIFIER" => &mut entry.identifier,
                "CONFIG_FILE" => &mut entry.file,
                "CONFIG_LINE" => &mut entry.line,
                _ => continue,
            };
            let value = match std::str::from_utf8(bytes) {
                Ok(text) => Value::String(text.to_owned()),
                Err(_) => bytes.iter().map(|byte| Value::from(*byte)).collect(),
            };
            // a field that was given more than once: as journalctl shows it
            *place = Some(match place.take() {
                None => value,
                Some(before) => Value::Array(vec![before, value]),
            });
        }
        entry
    }

    /// Account that it came from; journald's word.
    pub(super) fn uid(&self) -> Option<String> {
        text(self.uid.as_ref())
    }

    /// How it came to journald: `stdout`, `journal`, …
    pub(super) fn transport(&self) -> Option<String> {
        text(self.transport.as_ref())
    }

    /// When journald got it.
    pub(super) fn time(&self) -> Option<Timestamp> {
        Timestamp::from_microsecond(self.time.as_ref()?.parse().ok()?).ok()
    }

    /// Where it lies in the journal.
    pub(super) fn cursor(&self) -> Option<String> {
        self.cursor.clone()
    }

    /// Process that wrote it.
    pub(super) fn pid(&self) -> Option<u32> {
        text(self.pid.as_ref())?.parse().ok()
    }

    /// Unit of the user's manager that it came from; journald's word.
    pub(super) fn user_unit(&self) -> Option<String> {
        text(self.user_unit.as_ref())
    }

    /// Unit of the machine's manager that it came from; journald's word.
    pub(super) fn unit(&self) -> Option<String> {
        text(self.unit.as_ref())
    }

    /// Unit of a user's manager whose process it is about; journald's word, of what it dropped.
    pub(super) fn object_user_unit(&self) -> Option<String> {
        text(self.object_user_unit.as_ref())
    }

    /// Account of that process.
    pub(super) fn object_uid(&self) -> Option<String> {
        text(self.object_uid.as_ref())
    }

    /// The same unit, of the machine's manager.
    pub(super) fn object_unit(&self) -> Option<String> {
        text(self.object_unit.as_ref())
    }

    /// Unit of a user's manager that it is about; the writer's word.
    pub(super) fn about_user_unit(&self) -> Option<String> {
        text(self.about_user_unit.as_ref())
    }

    /// Unit of the machine's manager that it is about; the writer's word.
    pub(super) fn about_unit(&self) -> Option<String> {
        text(self.about_unit.as_ref())
    }

    /// `SyslogIdentifier=` of the unit, or the program's name.
    pub(super) fn identifier(&self) -> Option<String> {
        text(self.identifier.as_ref())
    }

    /// What kind of message of the manager it is: sd-messages.h, 32 hexadecimal digits.
    pub(super) fn message_id(&self) -> Option<String> {
        text(self.message_id.as_ref())
    }

    /// How a process ended: `exited` and its code, or `killed`, `dumped` and the signal's number.
    pub(super) fn exit(&self) -> Option<(String, i32)> {
        Some((text(self.exit_kind.as_ref())?, text(self.exit_status.as_ref())?.parse().ok()?))
    }

    /// Result of a unit: systemd.service(5), `$SERVICE_RESULT`.
    pub(super) fn result(&self) -> Option<String> {
        text(self.result.as_ref())
    }

    /// The message in lines, so that none can pass for another service's; without line ends.
    pub(super) fn message(&self) -> Vec<Vec<u8>> {
        let message = self.message.as_ref().and_then(bytes).unwrap_or_default();
        let message = message.strip_suffix(b"\n").unwrap_or(&message);
        message.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    }

    /// A complaint of the manager about a unit file: file, line, text.
    pub(super) fn complaint(&self) -> Option<(PathBuf, u32, String)> {
        let file = text(self.file.as_ref())?;
        let line = text(self.line.as_ref()).and_then(|line| line.parse().ok()).unwrap_or(0);
        let message = bytes(self.message.as_ref()?)?;
        let message = String::from_utf8_lossy(&message);
        // `/path/web.service:12: Unknown key …`
        let prefix = format!("{file}:{line}: ");
        let message = message.strip_prefix(&prefix).unwrap_or(&message).to_owned();
        Some((file.into(), line, message))
    }
}

/// A field is text; or an array of bytes when it is not UTF-8 or has control characters; or an
/// array of several of these when it was given more than once, joined as lines here; or null when
/// it is longer than journalctl prints.
fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Number(number) => Some(number.to_string().into_bytes()),
        Value::Array(items) if items.iter().all(Value::is_u64) => {
            Some(items.iter().filter_map(|item| u8::try_from(item.as_u64()?).ok()).collect())
        }
        Value::Array(items) => Some(items.iter().filter_map(bytes).collect::<Vec<_>>().join(&b'\n')),
        Value::Null | Value::Bool(_) | Value::Object(_) => None,
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    String::from_utf8(bytes(value?)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(json: &str) -> Entry {
        serde_json::from_str(json).expect("JSON")
    }

    fn lines(message: &str) -> Vec<Vec<u8>> {
        entry(&format!(r#"{{"MESSAGE":{message}}}"#)).message()
    }

    #[test]
    fn a_message_has_many_shapes() {
        let table: [(&str, &[&[u8]]); 8] = [
            (r#""hello""#, &[b"hello"]),
            ("[255,9,104]", &[b"\xff\th"]),
            (r#"["a","b"]"#, &[b"a", b"b"]),
            ("[[97,255],[98]]", &[b"a\xff", b"b"]),
            ("null", &[b""]),
            (r#""""#, &[b""]),
            (r#""two\nlines\n""#, &[b"two", b"lines"]),
            (r#""web | fake\r\nline""#, &[b"web | fake\r", b"line"]),
        ];
        for (json, expected) in table {
            assert_eq!(lines(json), expected, "{json}");
        }
    }

    /// Of systemd 252, shortened.
    #[test]
    fn fields_are_read() {
        let entry = entry(
            r#"{"__CURSOR":"s=e0;i=2b","__REALTIME_TIMESTAMP":"1795250469005768","_PID":"102","USER_UNIT":"bad.service",
            "_SYSTEMD_USER_UNIT":"init.scope","CONFIG_FILE":"/home/t/bad.service","CONFIG_LINE":"3",
            "MESSAGE":"/home/t/bad.service:3: Unknown key 'A: B' in section [Unit], ignoring."}"#,
        );
        assert_eq!(entry.time().map(Timestamp::as_microsecond), Some(1_795_250_469_005_768));
        assert_eq!((entry.pid(), entry.cursor().as_deref()), (Some(102), Some("s=e0;i=2b")));
        assert_eq!(
            entry.complaint(),
            Some(("/home/t/bad.service".into(), 3, "Unknown key 'A: B' in section [Unit], ignoring.".into()))
        );
    }
}
