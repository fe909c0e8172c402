//! Which lines of the stream are shown: those that match, and those around them.

use super::Sink;
use super::source::Line;
use crate::report::{LogLine, LogQuery};
use std::collections::VecDeque;
use std::ops::ControlFlow;

/// Lets lines through.
pub(super) struct Chooser<'a> {
    query: &'a LogQuery,
    /// So many lines are only there as those before a match.
    mute: usize,
    /// Lines that are shown if a match follows.
    held: VecDeque<LogLine>,
    /// Lines that are shown because they follow a match.
    left: usize,
    /// A line was left out since the last one that was shown.
    gap: bool,
    any: bool,
}

impl<'a> Chooser<'a> {
    pub(super) fn new(query: &'a LogQuery, mute: usize) -> Self {
        Self { query, mute, held: VecDeque::new(), left: 0, gap: false, any: false }
    }

    /// One line of the stream.
    pub(super) fn line(&mut self, line: &Line<'_>, sink: &mut dyn Sink) -> ControlFlow<()> {
        let Some(grep) = &self.query.grep else { return sink.line(line) };
        let mute = self.mute > 0;
        self.mute -= usize::from(mute);
        if !mute && grep.is_match(line.message) {
            let context = self.query.before > 0 || self.query.after > 0;
            if std::mem::take(&mut self.gap) && self.any && context {
                sink.gap()?;
            }
            (self.left, self.any) = (self.query.after, true);
            for held in self.held.drain(..) {
                sink.line(&held.lent())?;
            }
            return sink.line(line);
        }
        if self.left > 0 {
            self.left -= 1;
            return sink.line(line);
        }
        if self.held.len() == self.query.before {
            self.gap = true;
            self.held.pop_front();
        }
        if self.query.before > 0 {
            self.held.push_back(line.kept());
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Name;

    /// Of the lines `a` to `z`; `-` for a gap.
    fn shown(pattern: &str, before: usize, after: usize, mute: usize) -> String {
        struct Text(String);
        impl Sink for Text {
            fn line(&mut self, line: &Line<'_>) -> ControlFlow<()> {
                self.0.push_str(&String::from_utf8_lossy(line.message));
                ControlFlow::Continue(())
            }
            fn gap(&mut self) -> ControlFlow<()> {
                self.0.push('-');
                ControlFlow::Continue(())
            }
        }
        let grep = regex::bytes::Regex::new(pattern).ok();
        let query = LogQuery { grep, before, after, ..LogQuery::default() };
        let mut chooser = Chooser::new(&query, mute);
        let (mut text, service) = (Text(String::new()), Name::parse("web").expect("name"));
        for letter in b'a'..=b'z' {
            let message = &[letter][..];
            let line = Line { service: &service, time: None, pid: None, stream: "out", stamp: b"", message };
            assert!(chooser.line(&line, &mut text).is_continue());
        }
        text.0
    }

    #[test]
    fn lines_around_a_match_are_shown_once() {
        assert_eq!(shown("[bcx]", 0, 0, 0), "bcx");
        assert_eq!(shown("[bcx]", 1, 0, 0), "abc-wx");
        assert_eq!(shown("[bcx]", 0, 1, 0), "bcd-xy");
        assert_eq!(shown("[bf]", 2, 2, 0), "abcdefgh");
        assert_eq!(shown("[bg]", 2, 2, 0), "abcdefghi");
        assert_eq!(shown("[bh]", 2, 2, 0), "abcd-fghij");
        assert_eq!(shown("[ab]", 1, 0, 1), "ab");
    }
}
