//! stdout and stderr. A reader that goes away (`svc status | head`) is no error; a full disk is.

use std::io::{ErrorKind, Result, Write};

/// Writes to stdout; colours go where it is no terminal.
pub(crate) fn out(text: &str) -> Result<()> {
    let mut stream = anstream::stdout().lock();
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
