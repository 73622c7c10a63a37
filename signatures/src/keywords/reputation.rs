//! `iprep` and `geoip`: what lists say of the addresses of a packet.

use std::net::IpAddr;
use std::sync::Arc;

use super::Keyword;
use crate::builder::{Argument, Builder};
use crate::rule::condition::{PacketCondition, PacketView};
use crate::rule::fault::Fault;
use crate::rule::files::Countries;
use crate::rule::number::NumberTest;
use crate::rule::outside::Outside;
use crate::state::reputation::Reputation;

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "iprep",
        aliases: &[],
        doc: "Tests the reputation of the source (`src`), the destination (`dst`), one of them (`any`) or both in a category: a comparison with a score from 0 to 127, `isset` or `isnotset`. The lists are those of `reputation-files`.",
        examples: &[],
        parse: reputation,
    },
    Keyword {
        name: "geoip",
        aliases: &[],
        doc: "Tests the country of the source (`src`), the destination (`dst`), one of them (`any`, also where nothing is said) or both; `!` before a country excludes it. The database is that of `geoip-database`, in MaxMind's format.",
        examples: &[],
        parse: country,
    },
];

/// Which addresses of a packet are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Source,
    Destination,
    Any,
    Both,
}

impl Side {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "src" => Self::Source,
            "dst" | "dest" => Self::Destination,
            "any" => Self::Any,
            "both" => Self::Both,
            _ => return None,
        })
    }

    fn holds(self, view: &PacketView<'_>, test: impl Fn(IpAddr) -> bool) -> bool {
        let Some(ip) = view.packet.ip else { return false };
        match self {
            Self::Source => test(ip.source),
            Self::Destination => test(ip.destination),
            Self::Any => test(ip.source) || test(ip.destination),
            Self::Both => test(ip.source) && test(ip.destination),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum ScoreTest {
    IsSet,
    IsNotSet,
    Compare(NumberTest),
}

#[derive(Debug)]
struct ReputationTest {
    reputation: Arc<Reputation>,
    side: Side,
    category: u8,
    test: ScoreTest,
}

impl PacketCondition for ReputationTest {
    fn holds(&self, view: &PacketView<'_>) -> bool {
        self.side.holds(view, |address| {
            let score = self.reputation.score(address, self.category);
            match self.test {
                ScoreTest::IsSet => score.is_some(),
                ScoreTest::IsNotSet => score.is_none(),
                ScoreTest::Compare(test) => score.is_some_and(|score| test.holds(score.into())),
            }
        })
    }

    fn needs_packet(&self) -> bool {
        false
    }

    fn is_about_addresses(&self) -> bool {
        true
    }
}

fn reputation(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let hint = "such as `src,BadHosts,>,50` or `any,BadHosts,isset`";
    let parts: Vec<&str> = argument.required()?.split(',').map(str::trim).collect();
    let (side, category, test) = match parts.as_slice() {
        [side, category, "isset"] => (side, category, ScoreTest::IsSet),
        [side, category, "isnotset"] => (side, category, ScoreTest::IsNotSet),
        [side, category, operator @ ("<" | "<=" | "=" | "!=" | ">=" | ">"), score] => {
            let test = NumberTest::parse_within(&format!("{operator}{score}"), &[], 127);
            (side, category, ScoreTest::Compare(test.map_err(|message| argument.fault(message, hint))?))
        }
        _ => return Err(argument.fault("this is no test of a reputation", hint)),
    };
    let side = Side::of(side).ok_or_else(|| argument.fault(format!("`{side}` is no side"), "src, dst, any or both"))?;
    let reputation = &builder.environment.reputation;
    let category = reputation.category(category).ok_or_else(|| {
        argument.fault(
            format!("`{category}` is no category of reputation"),
            "categories are those of the file `reputation-categories-file` names",
        )
    })?;
    let reputation = Arc::clone(reputation);
    builder.rule.outside.push(Outside::Lists(builder.environment.lists_stamp));
    builder.rule.packet.push(Box::new(ReputationTest { reputation, side, category, test }));
    Ok(())
}

#[derive(Debug)]
struct CountryTest {
    countries: Countries,
    side: Side,
    listed: Vec<[u8; 2]>,
    excluded: Vec<[u8; 2]>,
}

impl PacketCondition for CountryTest {
    fn holds(&self, view: &PacketView<'_>) -> bool {
        self.side.holds(view, |address| {
            let country = self.countries.of(address);
            country.is_some_and(|country| {
                !self.excluded.contains(&country) && (self.listed.is_empty() || self.listed.contains(&country))
            })
        })
    }

    fn needs_packet(&self) -> bool {
        false
    }

    fn is_about_addresses(&self) -> bool {
        true
    }
}

fn country(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let mut parts = argument.required()?.split(',').map(str::trim).peekable();
    let side = parts.next_if(|word| Side::of(word).is_some()).and_then(Side::of).unwrap_or(Side::Any);
    let (mut listed, mut excluded) = (Vec::new(), Vec::new());
    for part in parts {
        let (list, code) = part.strip_prefix('!').map_or((&mut listed, part), |code| (&mut excluded, code));
        let code = code.trim().to_ascii_uppercase();
        let code = <[u8; 2]>::try_from(code.as_bytes()).ok().filter(|code| code.iter().all(u8::is_ascii_uppercase));
        list.push(code.ok_or_else(|| argument.fault(format!("`{part}` is no country"), "two letters such as DE"))?);
    }
    if listed.is_empty() && excluded.is_empty() {
        return Err(argument.fault("no country is named", "such as `src,DE,FR` or `any,!US`"));
    }
    let Some(countries) = builder.environment.countries.clone() else {
        return Err(argument.fault("there is no database of countries", "name one with the key `geoip-database`"));
    };
    builder.rule.outside.push(Outside::Lists(builder.environment.lists_stamp));
    builder.rule.packet.push(Box::new(CountryTest { countries, side, listed, excluded }));
    Ok(())
}
