//! What `KERN_PROCARGS2` of sysctl(3) answers on macOS: the arguments and the environment that a
//! process was executed with. Pure, so that it is tested everywhere.
//!
//! Layout, as `sysctl_procargsx` in XNU's `bsd/kern/kern_sysctl.c` has it and ps(1) of Apple reads it:
//! the number of arguments (an int in the machine's order), the path of the file with NULs behind it
//! up to a word's end, the arguments, the environment, each closed by a NUL; then an empty string or
//! the end.

/// Arguments and environment of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProcArgs<'a> {
    arguments: &'a [u8],
    environment: &'a [u8],
}

impl<'a> ProcArgs<'a> {
    /// Reads an answer; `None` if it is none.
    pub(super) fn parse(answer: &'a [u8]) -> Option<Self> {
        let (count, rest) = answer.split_first_chunk::<4>()?;
        let count = u32::from_ne_bytes(*count);
        let end = rest.iter().position(|byte| *byte == 0)?;
        let begin = end + rest[end..].iter().position(|byte| *byte != 0).unwrap_or(rest.len() - end);
        let strings = &rest[begin..];
        let mut at = 0;
        for _ in 0..count {
            at += strings.get(at..)?.iter().position(|byte| *byte == 0)? + 1;
        }
        let (arguments, environment) = strings.split_at_checked(at)?;
        Some(Self { arguments, environment })
    }

    /// The words of the command line.
    pub(super) fn words(self) -> impl Iterator<Item = &'a [u8]> {
        self.arguments.strip_suffix(b"\0").into_iter().flat_map(|all| all.split(|byte| *byte == 0))
    }

    /// `NAME=VALUE`, each closed by a NUL, as `/proc/PID/environ` has it on Linux.
    pub(super) fn environment(self) -> &'a [u8] {
        let mut at = 0;
        while let Some(length) = self.environment.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == 0)) {
            if length == 0 {
                break;
            }
            at += length + 1;
        }
        &self.environment[..at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(count: u32, rest: &[u8]) -> Vec<u8> {
        [&count.to_ne_bytes(), rest].concat()
    }

    #[test]
    fn arguments_and_environment_are_told_apart() {
        let bytes = answer(3, b"/bin/a\0\0\0\0/bin/a\0\0-x y\0A=1\0B=\0\0ptr_munge=\0");
        let all = ProcArgs::parse(&bytes).expect("read");
        assert_eq!(all.words().collect::<Vec<_>>(), [&b"/bin/a"[..], b"", b"-x y"]);
        assert_eq!(all.environment(), b"A=1\0B=\0");
    }

    #[test]
    fn what_the_kernel_leaves_out_is_empty() {
        // of a program of the system nobody is told the environment
        let bytes = answer(2, b"/bin/sleep\0\0sleep\09\0");
        let all = ProcArgs::parse(&bytes).expect("read");
        assert_eq!((all.words().count(), all.environment()), (2, &b""[..]));
        let bytes = answer(0, b"/bin/a\0");
        let all = ProcArgs::parse(&bytes).expect("read");
        assert_eq!((all.words().count(), all.environment()), (0, &b""[..]));
    }

    #[test]
    fn what_is_cut_is_no_answer() {
        for bytes in [&b""[..], b"\x01\0\0", &answer(1, b"/bin/a"), &answer(2, b"/bin/a\0a\0b")] {
            assert_eq!(ProcArgs::parse(bytes), None);
        }
    }
}
