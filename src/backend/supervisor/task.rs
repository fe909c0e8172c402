//! Tasks of the supervisor: it fills the line itself, and is told when to look.

use super::Supervisor;
use super::client::{self, odd};
use crate::backend::Verb;
use crate::backend::progress::Ear;
use crate::error::Error;
use crate::supervisor::protocol::{ActionOn, Answer, Ended, Request};
use crate::task::spec;

impl Supervisor {
    /// Lets it look at the line; started if there is none. When this returns, what may run was begun.
    pub(crate) fn look_at_tasks(&self) -> Result<(), Error> {
        let request = Request::Tasks {};
        let mut client = match self.place().find_to_ask(Some(&request))? {
            Some(client) => client,
            None => self.place().find_or_start()?.0,
        };
        match client.ask(&request)? {
            Answer::Done {} => Ok(()),
            Answer::Refused { message } => Err(Error::failed(format!("the supervisor can't run tasks: {message}"))
                .hint("`svc supervisor reload` lets it go on with this svc; services are not touched")),
            other => Err(odd(other)),
        }
    }

    /// Stops one; returns when nothing is left of it.
    pub(crate) fn stop_task(&self, id: u64) -> Result<(), Error> {
        let client = self.place().find_or_start()?.0;
        let action = ActionOn { verb: Verb::Stop, name: spec::unit(id) };
        let outcomes = client::perform(self.place(), client, &[action], &Ear::default())?;
        match outcomes.into_iter().next().map(|outcome| outcome.result) {
            // unknown to it: it was over, or had not begun, and its record says so
            Some(Ended::Failed(failed)) if failed.message.contains("not known") => self.look_at_tasks(),
            Some(Ended::Failed(failed)) => Err(Error::failed(failed.message)),
            Some(Ended::Ok {}) | None => Ok(()),
        }
    }
}
