//! Rules as people name them: `SID`, `GID:SID` where the gid is not 1, `TENANT/SID` or `TENANT/GID:SID` where the rule is a tenant's.

use std::fmt;
use std::str::FromStr;

use tapwire_parsers::json::Object;
use tapwire_signatures::plan::{Plan, RuleIndex};

/// A rule among those of all tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RuleId {
    /// Whose it is: the number of a tenant, 0 for nobody.
    pub(super) tenant: u32,
    pub(super) gid: u32,
    pub(super) sid: u32,
}

impl RuleId {
    /// That of a rule of a plan.
    pub(super) fn of(plan: &Plan, index: RuleIndex) -> Option<Self> {
        let rule = plan.rule(index)?;
        Some(Self { tenant: plan.tenant(index), gid: rule.gid, sid: rule.sid })
    }

    /// Writes it into an object.
    pub(super) fn write(self, object: &mut Object<'_>) {
        if self.tenant > 0 {
            object.number("tenant_id", self.tenant);
        }
        object.number("gid", self.gid).number("sid", self.sid);
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tenant > 0 {
            write!(out, "{}/", self.tenant)?;
        }
        if self.gid != 1 {
            write!(out, "{}:", self.gid)?;
        }
        write!(out, "{}", self.sid)
    }
}

impl FromStr for RuleId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            text.parse::<u32>().map_err(|_| format!("`{text}` is no number; write 2001, 3:2001 or 7/2001"))
        };
        let (tenant, id) = text.split_once('/').unwrap_or(("0", text));
        let (gid, sid) = id.split_once(':').unwrap_or(("1", id));
        Ok(Self { tenant: number(tenant)?, gid: number(gid)?, sid: number(sid)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_named_and_found_by_the_same_words() {
        for (text, tenant, gid, sid) in [("5", 0, 1, 5), ("3:5", 0, 3, 5), ("7/5", 7, 1, 5), ("7/3:5", 7, 3, 5)] {
            let id = RuleId { tenant, gid, sid };
            assert_eq!((id.to_string(), text.parse()), (text.to_owned(), Ok(id)));
        }
        for wrong in ["", "x", "1:", "1/", "1:2:3", "1/2/3", "-1", "99999999999"] {
            assert!(wrong.parse::<RuleId>().is_err(), "{wrong}");
        }
    }
}
