//! Who the sensor is, and what it may do because of that.

use std::io;
use std::os::unix::fs::chown;
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist, setgroups, setresgid, setresuid};
use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, remove_capability_from_bounding_set,
    set_capabilities, set_keep_capabilities, set_no_new_privs,
};

/// What interfaces are opened with.
const TO_OPEN: CapabilitySet = CapabilitySet::NET_RAW.union(CapabilitySet::NET_ADMIN);
/// More capabilities than a kernel has.
const CAPABILITIES: u32 = 64;

/// Somebody whom the sensor runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunAs {
    name: String,
    user: Uid,
    group: Gid,
    groups: Vec<Gid>,
}

impl RunAs {
    /// A user of the system, with a group of theirs where none is named; what is wrong otherwise.
    pub fn find(user: &str, group: Option<&str>) -> Result<Self, String> {
        let found = User::from_name(user).map_err(|error| format!("{user}: {error}"))?;
        let found = found.ok_or_else(|| format!("there is no user {user}"))?;
        let group = match group {
            None => found.gid,
            Some(name) => match Group::from_name(name).map_err(|error| format!("{name}: {error}"))? {
                Some(group) => group.gid,
                None => return Err(format!("there is no group {name}")),
            },
        };
        let name = std::ffi::CString::new(user).map_err(|error| error.to_string())?;
        let groups = getgrouplist(&name, group).map_err(|error| format!("{user}: {error}"))?;
        Ok(Self { name: user.to_owned(), user: found.uid, group, groups })
    }

    /// Whether that is who the sensor is already.
    pub fn is_self(&self) -> bool {
        Uid::effective() == self.user && Uid::current() == self.user
    }

    /// Becomes them, with nothing but what interfaces are opened with. There must be no other thread yet.
    pub fn become_them(&self) -> io::Result<()> {
        empty_bounding_set()?;
        set_keep_capabilities(true)?;
        setgroups(&self.groups)?;
        setresgid(self.group, self.group, self.group)?;
        setresuid(self.user, self.user, self.user)?;
        set_keep_capabilities(false)?;
        keep(TO_OPEN)
    }

    /// Makes a folder theirs that the sensor makes for them; one that is there stays whose it is.
    pub fn make_folder(&self, folder: &Path) -> io::Result<()> {
        if !folder.exists() {
            std::fs::create_dir_all(folder)?;
            chown(folder, Some(self.user.as_raw()), Some(self.group.as_raw()))?;
        }
        Ok(())
    }

    /// Their name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Keeps this thread, and what it starts, from winning rights by starting a program.
pub(super) fn forbid_new_rights() -> io::Result<()> {
    Ok(set_no_new_privs(true)?)
}

/// Gives up all capabilities.
pub(super) fn drop_capabilities() -> io::Result<()> {
    empty_bounding_set()?;
    keep(CapabilitySet::empty())
}

/// Keeps some of the capabilities that there are.
fn keep(wanted: CapabilitySet) -> io::Result<()> {
    match clear_ambient_capability_set() {
        Ok(()) | Err(Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    let permitted = capabilities(None)?.permitted & wanted;
    let inheritable = CapabilitySet::empty();
    Ok(set_capabilities(None, CapabilitySets { effective: permitted, permitted, inheritable })?)
}

/// Forgets what could be won; only who may change capabilities can, and for others there is nothing to win.
fn empty_bounding_set() -> io::Result<()> {
    for number in 0..CAPABILITIES {
        let Some(one) = CapabilitySet::from_bits(1 << number) else { continue };
        match remove_capability_from_bounding_set(one) {
            Ok(()) | Err(Errno::INVAL) => {}
            Err(Errno::PERM) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_names() {
        let root = RunAs::find("root", None).unwrap();
        assert_eq!((root.user.as_raw(), root.group.as_raw()), (0, 0));
        assert_eq!(RunAs::find("nobody-of-the-sort", None).unwrap_err(), "there is no user nobody-of-the-sort");
        let group = RunAs::find("root", Some("no-such-group")).unwrap_err();
        assert_eq!(group, "there is no group no-such-group");
    }
}
