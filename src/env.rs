//! Every environment variable that svc reads, named once, read once.

use crate::service::AbsPath;
use std::ffi::OsString;
use std::path::PathBuf;

/// What svc knows of the process that it is.
#[derive(Debug, Clone)]
pub struct Environment {
    /// `HOME`, else the home of the account.
    pub home: AbsPath,
    /// `PATH`.
    pub path: OsString,
    /// `LANG`.
    pub lang: Option<OsString>,
    /// `XDG_RUNTIME_DIR`, if absolute.
    pub xdg_runtime_dir: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`, if absolute.
    pub xdg_config_home: Option<PathBuf>,
    /// `XDG_STATE_HOME`, if absolute.
    pub xdg_state_home: Option<PathBuf>,
    /// `SVC_LAUNCHCTL`, the program that launchd is asked through.
    pub launchctl: Option<PathBuf>,
    /// `SUDO_USER`, when svc runs as root by sudo.
    pub sudo_user: Option<String>,
    /// `SSH_CONNECTION` is set.
    pub ssh: bool,
    /// Effective user id.
    pub uid: u32,
}

/// A user of 1000 with nothing set.
#[cfg(test)]
pub(crate) fn sample() -> Environment {
    Environment {
        home: crate::service::sample::abs("/home/me"),
        path: "/usr/bin:/bin".into(),
        lang: None,
        xdg_runtime_dir: None,
        xdg_config_home: None,
        xdg_state_home: None,
        launchctl: None,
        sudo_user: None,
        ssh: false,
        uid: 1000,
    }
}

impl Environment {
    /// Reads the variables of this process.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    pub fn read() -> Result<Self, String> {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let uid = nix::unistd::geteuid().as_raw();
        let home = absolute("HOME").or_else(dirs::home_dir).ok_or("there is no home folder: HOME is not set")?;
        let sudo_user = std::env::var_os("SUDO_UID")
            .filter(|_| uid == 0)
            .map(|id| std::env::var("SUDO_USER").unwrap_or_else(|_| id.to_string_lossy().into_owned()))
            .filter(|user| user != "root" && user != "0");
        Ok(Self {
            home: AbsPath::new(&home)?,
            path: std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()),
            lang: std::env::var_os("LANG").filter(|lang| !lang.is_empty()),
            xdg_runtime_dir: absolute("XDG_RUNTIME_DIR"),
            xdg_config_home: absolute("XDG_CONFIG_HOME"),
            xdg_state_home: absolute("XDG_STATE_HOME"),
            launchctl: std::env::var_os("SVC_LAUNCHCTL").map(PathBuf::from),
            sudo_user,
            ssh: std::env::var_os("SSH_CONNECTION").is_some(),
            uid,
        })
    }

    /// The variables that tell another svc of this account where everything lies.
    pub fn own(&self) -> Vec<(&'static str, OsString)> {
        let path = |value: &Option<PathBuf>| value.as_ref().map(|path| path.clone().into_os_string());
        let all = [
            ("HOME", Some(self.home.as_path().as_os_str().to_owned())),
            ("PATH", Some(self.path.clone())),
            ("LANG", self.lang.clone()),
            ("XDG_RUNTIME_DIR", path(&self.xdg_runtime_dir)),
            ("XDG_CONFIG_HOME", path(&self.xdg_config_home)),
            ("XDG_STATE_HOME", path(&self.xdg_state_home)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// Name of the account, or its number. passwd(5) is looked at first: to go through the name
    /// services (nsswitch.conf(5)) costs as much as a call of the manager.
    pub fn user(&self) -> String {
        let listed = std::fs::read_to_string("/etc/passwd").ok();
        let listed = listed.and_then(|text| name_in(&text, self.uid).map(str::to_owned));
        let account = || Some(nix::unistd::User::from_uid(self.uid.into()).ok()??.name);
        listed.or_else(account).unwrap_or_else(|| self.uid.to_string())
    }

    /// Where the user's manager has its sockets: `XDG_RUNTIME_DIR`, else `/run/user/UID`, where
    /// logind puts it (a shell without a session has no variable, but the folder may be there).
    pub fn runtime_dir(&self) -> PathBuf {
        self.xdg_runtime_dir.clone().unwrap_or_else(|| PathBuf::from(format!("/run/user/{}", self.uid)))
    }

    /// `~/.config`.
    pub fn config_home(&self) -> PathBuf {
        self.xdg_config_home.clone().unwrap_or_else(|| self.home.as_path().join(".config"))
    }

    /// `~/.local/state`.
    pub fn state_home(&self) -> PathBuf {
        self.xdg_state_home.clone().unwrap_or_else(|| self.home.as_path().join(".local/state"))
    }
}

/// The first account with this number in a passwd(5) file.
fn name_in(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty() && !name.starts_with(['+', '-']))?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::name_in;

    #[test]
    fn an_account_is_found_by_its_number() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\n\n+nis::7:::\nbroken:7\ntester:x:42:42::/home/t:/bin/sh\n";
        assert_eq!(name_in(passwd, 0), Some("root"));
        assert_eq!(name_in(passwd, 42), Some("tester"));
        assert_eq!((name_in(passwd, 7), name_in(passwd, 4)), (None, None));
    }
}
