//! Resource limits. DESIGN §4: `limits`.

/// `limits`; what is absent is not limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// `memory`, bytes, at least 1.
    pub memory: Option<u64>,
    /// `cpu`.
    pub cpu: Option<Cpu>,
    /// `tasks`: processes and threads, at least 1.
    pub tasks: Option<u64>,
    /// `files`: open files, at least 1.
    pub files: Option<u64>,
}

/// A share of one core in percent, at least 1; 200 is two cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpu {
    /// Percent of one core.
    pub percent: u32,
}
