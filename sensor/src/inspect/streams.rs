//! The streams of a connection on their way to the parser: in order, with their holes, and in another version where there are two.

use tapwire_parsers::protocol::{Carrier, Direction, Input};

use super::{Application, Inspector};
use crate::flow::Flow;
use crate::flow::stream::Chunk;

impl Inspector {
    /// Hands what is new in both streams to the parser, one of them first. Whether that showed that the client is the server.
    pub fn read_both(&mut self, flow: &mut Flow<Application>, first: Direction) -> bool {
        for side in [first, first.reverse()] {
            self.read(flow, side);
            if flow.app.turned {
                flow.turn();
                Direction::BOTH.into_iter().for_each(|side| self.read(flow, side));
                return true;
            }
        }
        false
    }

    /// Hands what is new in a direction's stream to the parser.
    pub fn read(&mut self, flow: &mut Flow<Application>, direction: Direction) {
        let Flow { tcp, app, key, end: time, .. } = flow;
        let Some(tcp) = tcp else { return };
        let depths = &self.engine.depths;
        let has_depth = depths.iter().any(|(id, _)| Some(*id) == app.protocol);
        if tcp.touched_stream_mut(direction).is_none() && !app.is_deaf() && !has_depth {
            return;
        }
        let (time, ends) = (*time, key.sides());
        let other = direction.reverse();
        let other_waits = app.protocol.is_none() && matches!(tcp.stream(other).parser_next(), Chunk::Data(_));
        loop {
            if app.encrypted {
                // What is there is inspected yet: among it is what the encryption began with.
                Direction::BOTH.into_iter().for_each(|side| tcp.stream_mut(side).raw_off());
            }
            let stream = tcp.stream_mut(direction);
            if app.is_deaf() {
                stream.parser_off();
                return;
            }
            match stream.parser_next() {
                Chunk::Data(data) => {
                    let offset = stream.parser_offset();
                    let input = Input { direction, data, offset, time, ends };
                    // What spoke first is handed over first, where only the answer tells what it was.
                    if other_waits
                        && app.protocol.is_none()
                        && self.recognises(app, Carrier::Tcp, &input)
                        && !app.turned
                    {
                        self.read(flow, other);
                        return self.read(flow, direction);
                    }
                    self.at = Some((*key, time));
                    let done = self.bytes(app, Carrier::Tcp, &input);
                    let rival = if stream.has_rivals() { stream.parser_alternative(done) } else { None };
                    stream.parser_consume(done);
                    if let Some(rival) = rival {
                        self.rival_bytes(app, &Input { direction, data: &rival, offset, time, ends });
                    }
                    if app.changes() || app.turned {
                        return;
                    }
                    if done == 0 && !(app.protocol.is_some() && stream.parser_drop_before_gap()) {
                        break;
                    }
                }
                Chunk::Gap(missing) => {
                    stream.parser_skip_gap();
                    self.gap(app, direction, missing);
                }
                Chunk::Nothing => break,
            }
        }
        let stream = tcp.stream_mut(direction);
        let engine = &self.engine;
        if let Some((_, bytes)) = engine.depths.iter().find(|(id, _)| Some(*id) == app.protocol) {
            stream.set_depth(*bytes);
        }
        if let Some(bytes) = engine.files.depth_bytes.filter(|_| app.files.is_storing(direction)) {
            stream.set_depth(bytes);
        }
        if stream.closed() && stream.fin_seen() || stream.is_full() {
            self.at = Some((*key, time));
            self.close(app, direction);
        }
    }
}

impl Inspector {
    /// No more bytes will come in a direction of a flow.
    pub fn end(&mut self, flow: &mut Flow<Application>, direction: Direction) {
        self.at = Some((flow.key, flow.end));
        self.close(&mut flow.app, direction);
    }

    /// Files that are put together go back to where other flows find them, after rules were asked about them and those that matched
    /// did what they do. Whether others have brought what follows meanwhile, so that rules are to be asked again.
    pub fn give_back(&mut self, app: &mut Application, direction: Direction) -> bool {
        let going_on = app.files.give_back(direction, &mut self.wholes);
        going_on.iter().for_each(|id| app.touch(*id));
        app.unweighed = true;
        !going_on.is_empty()
    }
}

impl Flow<Application> {
    /// The client and the server change places.
    pub fn turn(&mut self) {
        self.swap();
        self.app.turn();
    }
}
