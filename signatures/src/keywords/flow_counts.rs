//! Conditions on what a flow has counted so far: `flow.age`, `flow.pkts`, `flow.bytes`, `stream_size`.

use tapwire_parsers::protocol::Both;

use super::Keyword;
use super::packet_number::{HINT, number};
use crate::builder::{Argument, Builder};
use crate::rule::condition::{FlowView, PacketCondition, PacketView};
use crate::rule::fault::Fault;
use crate::rule::number::NumberTest;

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "flow.age",
        aliases: &[],
        doc: "Tests the seconds since the flow's first packet.",
        examples: &["flow.age:>3600"],
        parse: age,
    },
    Keyword {
        name: "flow.pkts",
        aliases: &[],
        doc: "Tests the packets of a direction so far: `toserver`, `toclient`, `either` or `both`.",
        examples: &["flow.pkts:toserver,>100", "flow.pkts:either,=10"],
        parse: |b, a| push_sided(b, a, |flow| flow.packets),
    },
    Keyword {
        name: "flow.pkts_toserver",
        aliases: &[],
        doc: "Tests the packets to the server so far.",
        examples: &["flow.pkts_toserver:>100"],
        parse: |b, a| push(b, a, Sides::ToServer, |flow| flow.packets),
    },
    Keyword {
        name: "flow.pkts_toclient",
        aliases: &[],
        doc: "Tests the packets to the client so far.",
        examples: &["flow.pkts_toclient:10"],
        parse: |b, a| push(b, a, Sides::ToClient, |flow| flow.packets),
    },
    Keyword {
        name: "flow.bytes",
        aliases: &[],
        doc: "Tests the bytes of a direction so far: `toserver`, `toclient`, `either` or `both`.",
        examples: &["flow.bytes:toclient,>1mb"],
        parse: |b, a| push_sided(b, a, |flow| flow.bytes),
    },
    Keyword {
        name: "flow.bytes_toserver",
        aliases: &[],
        doc: "Tests the bytes to the server so far.",
        examples: &["flow.bytes_toserver:>3000"],
        parse: |b, a| push(b, a, Sides::ToServer, |flow| flow.bytes),
    },
    Keyword {
        name: "flow.bytes_toclient",
        aliases: &[],
        doc: "Tests the bytes to the client so far.",
        examples: &["flow.bytes_toclient:>3000"],
        parse: |b, a| push(b, a, Sides::ToClient, |flow| flow.bytes),
    },
    Keyword {
        name: "flow.elephant",
        aliases: &[],
        doc: "Holds when the flow was an elephant (`flow.rate-tracking`) in a direction: `toserver`, `toclient`, `either` or `both`.",
        examples: &["flow.elephant:toclient", "flow.elephant:both"],
        parse: elephant,
    },
    Keyword {
        name: "stream_size",
        aliases: &[],
        doc: "Tests the bytes that `client` or `server` (or `either`, or `both`) have sent in a TCP stream, by sequence numbers.",
        examples: &["stream_size:server,<,5", "stream_size:both,>=,1000"],
        parse: stream_size,
    },
];

#[derive(Clone, Copy, Debug)]
enum Sides {
    ToServer,
    ToClient,
    Either,
    Both,
}

type ReadBoth = fn(&FlowView) -> Both<u64>;

#[derive(Debug)]
struct FlowCount {
    sides: Sides,
    read: ReadBoth,
    test: NumberTest,
    tcp_only: bool,
}

impl PacketCondition for FlowCount {
    fn holds(&self, view: &PacketView<'_>) -> bool {
        let Some(flow) = view.flow else { return false };
        if self.tcp_only && view.packet.tcp().is_none() {
            return false;
        }
        let counts = (self.read)(flow);
        let (to_server, to_client) = (self.test.holds(counts.to_server), self.test.holds(counts.to_client));
        match self.sides {
            Sides::ToServer => to_server,
            Sides::ToClient => to_client,
            Sides::Either => to_server || to_client,
            Sides::Both => to_server && to_client,
        }
    }

    fn needs_packet(&self) -> bool {
        false
    }

    fn is_about_streams(&self) -> bool {
        self.tcp_only
    }
}

fn push(builder: &mut Builder<'_>, argument: &Argument<'_>, sides: Sides, read: ReadBoth) -> Result<(), Fault> {
    let test = number(argument, &[], u64::MAX)?;
    builder.rule.packet.push(Box::new(FlowCount { sides, read, test, tcp_only: false }));
    Ok(())
}

fn push_sided(builder: &mut Builder<'_>, argument: &Argument<'_>, read: ReadBoth) -> Result<(), Fault> {
    let hint = "a direction and a number, such as `toserver,>100`";
    let (side, test) = argument
        .required()?
        .split_once(',')
        .ok_or_else(|| argument.fault("a direction or a number is missing", hint))?;
    let sides = sides(side, argument, hint)?;
    let test = NumberTest::parse(test).map_err(|m| argument.fault(m, hint))?;
    builder.rule.packet.push(Box::new(FlowCount { sides, read, test, tcp_only: false }));
    Ok(())
}

fn sides(side: &str, argument: &Argument<'_>, hint: &str) -> Result<Sides, Fault> {
    match side.trim() {
        "toserver" | "to_server" => Ok(Sides::ToServer),
        "toclient" | "to_client" => Ok(Sides::ToClient),
        "either" => Ok(Sides::Either),
        "both" => Ok(Sides::Both),
        other => Err(argument.fault(format!("`{other}` is no direction"), hint)),
    }
}

fn elephant(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let sides = sides(argument.required()?, argument, "toserver, toclient, either or both")?;
    let read: ReadBoth =
        |flow| Both { to_server: flow.elephant.to_server.into(), to_client: flow.elephant.to_client.into() };
    let test = NumberTest::Equal(1);
    builder.rule.packet.push(Box::new(FlowCount { sides, read, test, tcp_only: false }));
    Ok(())
}

fn stream_size(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let hint = "a side, an operator and a number, such as `server,<,5`";
    let parts: Vec<&str> = argument.required()?.split(',').map(str::trim).collect();
    let [side, operator, size] = parts.as_slice() else {
        return Err(argument.fault("three parts are needed", hint));
    };
    let sides = match *side {
        // What the server sends travels to the client.
        "server" => Sides::ToClient,
        "client" => Sides::ToServer,
        "either" => Sides::Either,
        "both" => Sides::Both,
        other => return Err(argument.fault(format!("`{other}` is no side"), hint)),
    };
    if !matches!(*operator, "<" | "<=" | ">" | ">=" | "=" | "!=") {
        return Err(argument.fault(format!("`{operator}` is no operator"), hint));
    }
    let test = NumberTest::parse_within(&format!("{operator}{size}"), &[], u32::MAX.into())
        .map_err(|m| argument.fault(m, hint))?;
    let read: ReadBoth =
        |flow| Both { to_server: flow.stream_bytes.to_server.into(), to_client: flow.stream_bytes.to_client.into() };
    builder.rule.packet.push(Box::new(FlowCount { sides, read, test, tcp_only: true }));
    Ok(())
}

#[derive(Debug)]
struct Age(NumberTest);

impl PacketCondition for Age {
    fn holds(&self, view: &PacketView<'_>) -> bool {
        view.flow.is_some_and(|flow| self.0.holds(flow.now.since(flow.start) / 1_000_000))
    }

    fn needs_packet(&self) -> bool {
        false
    }
}

fn age(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let test =
        NumberTest::parse_within(argument.required()?, &[], u32::MAX.into()).map_err(|m| argument.fault(m, HINT))?;
    builder.rule.packet.push(Box::new(Age(test)));
    Ok(())
}
