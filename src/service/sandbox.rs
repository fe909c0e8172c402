//! How much of the system a service can reach. DESIGN §4: `sandbox`.

/// `sandbox`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sandbox {
    /// Nothing is taken away. Default.
    #[default]
    None,
    /// What hardly any program misses: no new privileges, system folders read-only, own /tmp.
    Basic,
    /// What a network service needs and no more; only its working folder and logs are writable.
    Strict,
}

impl Sandbox {
    /// Every value, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::None, Self::Basic, Self::Strict];

    /// The word used in a manifest.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "basic",
            Self::Strict => "strict",
        }
    }
}
