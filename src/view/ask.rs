//! A question that only a person at a terminal is asked.

use crate::error::{Error, io_reason};
use dialoguer::Confirm;
use std::io::IsTerminal;

/// Somebody is there to answer.
pub(crate) fn is_possible() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Lets a person choose one of these on stderr; none: they chose none.
pub(crate) fn choose(question: &str, items: &[String]) -> Result<Option<usize>, Error> {
    let asked = dialoguer::Select::new().with_prompt(question).items(items).default(0).interact_opt();
    asked.map_err(|dialoguer::Error::IO(cause)| Error::failed(format!("there was no answer: {}", io_reason(&cause))))
}

/// Asks on stderr; no by default.
pub(crate) fn confirm(question: &str) -> Result<bool, Error> {
    let asked = Confirm::new().with_prompt(question).default(false).wait_for_newline(true).interact();
    asked.map_err(|dialoguer::Error::IO(cause)| {
        Error::failed(format!("there was no answer: {}", io_reason(&cause))).hint("`--yes` asks nothing")
    })
}
