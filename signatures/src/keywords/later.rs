//! Keywords of protocols that are not active yet ([`LATER`]): they are accepted and counted, and their rules cannot match.

use std::sync::LazyLock;

use super::{Keyword, buffers};
use crate::builder::{Argument, Builder};
use crate::rule::fault::Fault;
use crate::rule::protocols::LATER;

const DOC: &str = "Not active yet: rules that use it are counted and do not match.";

/// The family.
pub(super) static KEYWORDS: LazyLock<Vec<Keyword>> = LazyLock::new(|| {
    let keyword = |name, aliases, parse| Keyword { name, aliases, doc: DOC, examples: &[], parse };
    let buffers = LATER.iter().flat_map(|later| later.buffers).filter_map(|names| names.split_first());
    let conditions = LATER.iter().flat_map(|later| later.conditions);
    let buffers = buffers.map(|(name, aliases)| keyword(name, aliases, buffers::parse));
    buffers.chain(conditions.map(|name| keyword(name, &[], condition))).collect()
});

fn condition(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    builder.rule.later.extend(super::find(argument.keyword).map(|keyword| keyword.name));
    Ok(())
}
