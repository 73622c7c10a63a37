//! A request with its response. Fields and the `modbus` rule keyword look at it.

use std::any::Any;

use crate::modbus::message::Message;
use crate::modbus::tables::Errors;
use crate::protocol::{Anomaly, Direction, Transaction, Value, held};

/// A request and its response, or one of them without the other.
#[derive(Debug)]
pub struct ModbusTransaction {
    /// Its number in the flow, from 1.
    pub(super) number: u64,
    /// The request, if it was seen.
    pub(super) request: Option<Message>,
    /// The response, if one came.
    pub(super) response: Option<Message>,
    /// No response is waited for any more.
    pub(super) abandoned: bool,
    pub(super) anomalies: Vec<Anomaly>,
}

impl ModbusTransaction {
    /// Its number in the flow, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The request; `None` for a response that nobody asked for.
    pub fn request(&self) -> Option<&Message> {
        self.request.as_ref()
    }

    /// The response, if it came.
    pub fn response(&self) -> Option<&Message> {
        self.response.as_ref()
    }

    /// The message of a direction.
    pub fn message(&self, direction: Direction) -> Option<&Message> {
        match direction {
            Direction::ToServer => self.request.as_ref(),
            Direction::ToClient => self.response.as_ref(),
        }
    }

    pub(super) fn requested(number: u64, request: Message) -> Self {
        let anomalies = anomalies(request.errors);
        Self { number, request: Some(request), response: None, abandoned: false, anomalies }
    }

    pub(super) fn unsolicited(number: u64, response: Message) -> Self {
        let mut all = vec![Anomaly("modbus.unsolicited_response")];
        all.extend(anomalies(response.errors));
        Self { number, request: None, response: Some(response), abandoned: false, anomalies: all }
    }

    pub(super) fn answer(&mut self, response: Message) {
        for anomaly in anomalies(response.errors) {
            if !self.anomalies.contains(&anomaly) {
                self.anomalies.push(anomaly);
            }
        }
        if self.request.as_ref().is_some_and(|request| !request.is_answered_by(&response)) {
            self.anomalies.push(Anomaly("modbus.value_mismatch"));
        }
        self.response = Some(response);
    }

    pub(super) fn number_of(&self, direction: Direction, read: impl Fn(&Message) -> Option<u64>) -> Option<Value<'_>> {
        self.message(direction).and_then(read).map(Value::Number)
    }
}

impl Transaction for ModbusTransaction {
    fn progress(&self, direction: Direction) -> u8 {
        u8::from(match direction {
            Direction::ToServer => true,
            Direction::ToClient => self.is_complete(),
        })
    }

    fn is_complete(&self) -> bool {
        self.response.is_some() || self.abandoned
    }

    fn only_direction(&self) -> Option<Direction> {
        self.request.is_none().then_some(Direction::ToClient)
    }

    fn anomalies(&self) -> &[Anomaly] {
        &self.anomalies
    }

    fn held_bytes(&self) -> usize {
        let messages = [&self.request, &self.response];
        messages.into_iter().flatten().map(Message::held_bytes).sum::<usize>() + held::list(&self.anomalies)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn anomalies(errors: Errors) -> Vec<Anomaly> {
    [
        (Errors::DATA_VALUE, "modbus.invalid_value"),
        (Errors::DATA_LENGTH, "modbus.invalid_length"),
        (Errors::EXC_CODE, "modbus.invalid_exception_code"),
        (Errors::FUNC_CODE, "modbus.invalid_function_code"),
        (Errors::PROTO_ID, "modbus.invalid_protocol_id"),
    ]
    .into_iter()
    .filter(|(error, _)| errors.contains(*error))
    .map(|(_, name)| Anomaly(name))
    .collect()
}
