//! stdout and stderr. A reader that goes away (`svc status | head`) is no error; a full disk is.

use std::io::{ErrorKind, Result, Write};

/// Writes to stdout; colours go where it is no terminal. In one piece: what takes them away would write
/// each piece between them by itself.
pub(crate) fn out(text: &str) -> Result<()> {
    let mut bytes = Vec::with_capacity(text.len());
    anstream::AutoStream::new(&mut bytes, anstream::stdout().current_choice()).write_all(text.as_bytes())?;
    let mut stream = std::io::stdout().lock();
    pass(stream.write_all(&bytes).and_then(|()| stream.flush()))
}

/// Writes to stdout what has no colours, JSON.
pub(crate) fn out_plain(text: &str) -> Result<()> {
    let mut stream = std::io::stdout().lock();
    pass(stream.write_all(text.as_bytes()).and_then(|()| stream.flush()))
}

/// Writes to stderr; when that fails there is nobody left to tell.
pub(crate) fn err(text: &str) {
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// A reader that has gone has all that it wanted.
pub(crate) fn pass(result: Result<()>) -> Result<()> {
    match result {
        Err(cause) if cause.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reader_that_has_gone_is_no_error() {
        assert!(pass(Err(ErrorKind::BrokenPipe.into())).is_ok());
        assert!(pass(Err(ErrorKind::StorageFull.into())).is_err());
    }
}
