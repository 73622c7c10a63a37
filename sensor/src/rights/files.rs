//! Landlock: which files and ports a thread reaches.

use std::io;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope, path_beneath_rules,
};

use super::{Places, Role};

/// The newest version that is asked for; an older kernel gives what it has.
const NEWEST: ABI = ABI::V6;
/// What names are resolved and certificates are checked with.
const OF_NETWORK: &[&str] =
    &["/etc", "/usr/share", "/usr/lib/ssl", "/usr/local/share/ca-certificates", "/run/systemd/resolve"];
/// What interfaces are asked with.
const OF_INTERFACES: &[&str] = &["/sys", "/proc/net"];
/// What anybody who writes may write to.
const NOTHING: &str = "/dev/null";

/// The files and ports that are left.
pub(super) struct Domain(RulesetCreated);

/// Those of a role; without one, of the whole process.
pub(super) fn domain(role: Option<Role>, places: &Places) -> io::Result<Domain> {
    let connects = matches!(role, None | Some(Role::Sender));
    let ports = if connects { AccessNet::BindTcp.into() } else { AccessNet::from_all(NEWEST) };
    let mut ruleset = Ruleset::default().handle_access(AccessFs::from_all(NEWEST)).map_err(io::Error::other)?;
    ruleset = ruleset.handle_access(ports).map_err(io::Error::other)?;
    if matches!(role, Some(Role::Worker | Role::ReadingWorker)) {
        ruleset = ruleset.scope(Scope::AbstractUnixSocket | Scope::Signal).map_err(io::Error::other)?;
    }
    let created = ruleset.create().map_err(io::Error::other)?;
    let all = |paths: &[&str]| paths.iter().map(Into::into).collect::<Vec<std::path::PathBuf>>();
    let (read, written) = match role {
        Some(Role::Worker | Role::ReadingWorker) => (vec![], vec![]),
        Some(Role::Reader) => (all(OF_INTERFACES), vec![]),
        Some(Role::Writer) => (vec![], places.written.clone()),
        Some(Role::Sender) => ([all(OF_NETWORK), places.read_by_senders.clone()].concat(), places.written.clone()),
        // Rules may come from anywhere, and tomorrow from elsewhere.
        None | Some(Role::Control) => (all(&["/"]), places.written.clone()),
    };
    let mut created = created.add_rules(path_beneath_rules(&read, reading())).map_err(io::Error::other)?;
    if !written.is_empty() {
        created = created.add_rules(path_beneath_rules(&written, writing())).map_err(io::Error::other)?;
        if let Ok(nothing) = PathFd::new(NOTHING) {
            let rule = PathBeneath::new(nothing, AccessFs::ReadFile | AccessFs::WriteFile);
            created = created.add_rule(rule).map_err(io::Error::other)?;
        }
    }
    Ok(Domain(created))
}

impl Domain {
    /// Leaves all others behind; the version that holds, where the kernel has any.
    pub(super) fn enter(&self) -> io::Result<Option<u32>> {
        let status = self.0.try_clone()?.restrict_self().map_err(io::Error::other)?;
        Ok(match (status.ruleset, status.landlock) {
            (RulesetStatus::NotEnforced, _) => None,
            (_, LandlockStatus::Available { effective_abi, .. }) => Some(effective_abi as u32),
            _ => None,
        })
    }
}

fn reading() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

/// All but to start a program and to make devices.
fn writing() -> BitFlags<AccessFs> {
    AccessFs::from_all(NEWEST) & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock)
}
