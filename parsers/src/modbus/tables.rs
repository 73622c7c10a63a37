//! What function codes mean, and the names that records have for codes (Modbus application protocol 1.1b3, sections 5 to 7).

/// A set of flags with names, written joined by ` | `.
macro_rules! flags {
    ($(#[$doc:meta])* $name:ident { $($(#[$flag_doc:meta])* $flag:ident = $bit:expr;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name(pub u8);

        impl $name {
            /// None of them.
            pub const NONE: $name = $name(0);
            $($(#[$flag_doc])* pub const $flag: $name = $name($bit);)*

            /// Whether all flags of `other` are among these.
            pub fn contains(self, other: $name) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether any flag of `other` is among these.
            pub fn intersects(self, other: $name) -> bool {
                self.0 & other.0 != 0
            }

            /// These and those of `other`.
            pub const fn and(self, other: $name) -> $name {
                $name(self.0 | other.0)
            }

            /// The names, joined as records have them.
            pub fn names(self) -> String {
                let named = [$(($name::$flag, stringify!($flag))),*];
                let names: Vec<&str> = named.into_iter().filter(|(flag, _)| self.contains(*flag)).map(|(_, name)| name).collect();
                if names.is_empty() { "NONE".to_owned() } else { names.join(" | ") }
            }
        }
    };
}

flags! {
    /// What a function does, and to what.
    Access {
        /// It reads.
        READ = 1;
        /// It writes.
        WRITE = 2;
        /// It is about discrete inputs.
        DISCRETES = 4;
        /// It is about coils.
        COILS = 8;
        /// It is about input registers.
        INPUT = 16;
        /// It is about holding registers.
        HOLDING = 32;
        /// It writes one.
        SINGLE = 64;
        /// It writes several.
        MULTIPLE = 128;
    }
}

flags! {
    /// The range of function codes that a function is of.
    Category {
        /// Defined by the standard.
        PUBLIC_ASSIGNED = 1;
        /// Kept for the standard's future.
        PUBLIC_UNASSIGNED = 2;
        /// Free to users.
        USER_DEFINED = 4;
        /// Used by companies for legacy products.
        RESERVED = 8;
    }
}

flags! {
    /// What is wrong with a message.
    Errors {
        /// A value is not allowed, or does not fit the others.
        DATA_VALUE = 1;
        /// The length is not that of such a message.
        DATA_LENGTH = 2;
        /// The exception code is not known.
        EXC_CODE = 4;
        /// The function code cannot be.
        FUNC_CODE = 8;
        /// The protocol identifier is not 0.
        PROTO_ID = 16;
    }
}

/// The function that diagnostics have.
pub(super) const DIAGNOSTIC: u8 = 8;
/// The function of encapsulated interface transport.
pub(super) const ENCAPSULATED: u8 = 43;

/// The access of a function, without the exception bit.
pub(super) fn access(function: u8) -> Access {
    use Access as A;
    match function {
        1 => A::READ.and(A::COILS),
        2 => A::READ.and(A::DISCRETES),
        3 => A::READ.and(A::HOLDING),
        4 => A::READ.and(A::INPUT),
        5 => A::WRITE.and(A::COILS).and(A::SINGLE),
        6 => A::WRITE.and(A::HOLDING).and(A::SINGLE),
        15 => A::WRITE.and(A::COILS).and(A::MULTIPLE),
        16 => A::WRITE.and(A::HOLDING).and(A::MULTIPLE),
        22 => A::WRITE.and(A::HOLDING),
        23 => A::READ.and(A::WRITE).and(A::HOLDING).and(A::MULTIPLE),
        _ => A::NONE,
    }
}

/// The category of a function with its subfunction or interface, without the exception bit.
pub(super) fn category(function: u8, subfunction: Option<u16>) -> Category {
    match function {
        DIAGNOSTIC if subfunction.is_some_and(|code| diagnostic_name(code) == "Reserved") => Category::RESERVED,
        ENCAPSULATED if subfunction.is_some_and(|code| interface_name(code) == "Unknown") => Category::RESERVED,
        1..=8 | 11 | 12 | 15..=17 | 20..=24 | ENCAPSULATED => Category::PUBLIC_ASSIGNED,
        9 | 10 | 13 | 14 | 18 | 19 | 41 | 42 | 90 | 91 | 125..=127 => Category::RESERVED,
        65..=72 | 100..=110 => Category::USER_DEFINED,
        1..=127 => Category::PUBLIC_UNASSIGNED,
        _ => Category::NONE,
    }
}

/// The name of a function, without the exception bit.
pub(super) fn function_name(function: u8) -> &'static str {
    match function {
        1 => "RdCoils",
        2 => "RdDiscreteInputs",
        3 => "RdHoldRegs",
        4 => "RdInputRegs",
        5 => "WrSingleCoil",
        6 => "WrSingleReg",
        7 => "RdExcStatus",
        DIAGNOSTIC => "Diagnostic",
        9 => "Program484",
        10 => "Poll484",
        11 => "GetCommEventCtr",
        12 => "GetCommEventLog",
        13 => "ProgramController",
        14 => "PollController",
        15 => "WrMultCoils",
        16 => "WrMultRegs",
        17 => "ReportServerID",
        18 => "Program884",
        19 => "ResetCommLink",
        20 => "RdFileRec",
        21 => "WrFileRec",
        22 => "MaskWrReg",
        23 => "RdWrMultRegs",
        24 => "RdFIFOQueue",
        ENCAPSULATED => "MEI",
        _ => "Unknown",
    }
}

/// The name of a diagnostic subfunction.
pub(super) fn diagnostic_name(code: u16) -> &'static str {
    match code {
        0 => "RetQueryData",
        1 => "RestartCommOpt",
        2 => "RetDiagReg",
        3 => "ChangeInputDelimiter",
        4 => "ForceListenOnlyMode",
        10 => "ClearCountersDiagReg",
        11 => "RetBusMsgCount",
        12 => "RetBusCommErrCount",
        13 => "RetBusExcErrCount",
        14 => "RetServerMsgCount",
        15 => "RetServerNoRespCount",
        16 => "RetServerNAKCount",
        17 => "RetServerBusyCount",
        18 => "RetBusCharOverrunCount",
        19 => "RetOverrunErrCount",
        20 => "ClearOverrunCounterFlag",
        21 => "GetClearPlusStats",
        _ => "Reserved",
    }
}

/// The name of an encapsulated interface.
pub(super) fn interface_name(code: u16) -> &'static str {
    match code {
        13 => "CANOpenGenRefReqResp",
        14 => "RdDevId",
        _ => "Unknown",
    }
}

/// The name of an exception.
pub(super) fn exception_name(code: u8) -> &'static str {
    match code {
        1 => "IllegalFunction",
        2 => "IllegalDataAddr",
        3 => "IllegalDataValue",
        4 => "ServerDeviceFail",
        5 => "Ack",
        6 => "ServerDeviceBusy",
        7 => "NegAck",
        8 => "MemParityErr",
        10 => "GatewayPathUnavailable",
        11 => "GatewayTargetFailToResp",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_have_an_access_and_a_category() {
        for (function, subfunction, name, access_names, category_names) in [
            (1, None, "RdCoils", "READ | COILS", "PUBLIC_ASSIGNED"),
            (5, None, "WrSingleCoil", "WRITE | COILS | SINGLE", "PUBLIC_ASSIGNED"),
            (8, Some(4), "Diagnostic", "NONE", "PUBLIC_ASSIGNED"),
            (8, Some(5), "Diagnostic", "NONE", "RESERVED"),
            (43, Some(14), "MEI", "NONE", "PUBLIC_ASSIGNED"),
            (43, Some(1), "MEI", "NONE", "RESERVED"),
            (9, None, "Program484", "NONE", "RESERVED"),
            (70, None, "Unknown", "NONE", "USER_DEFINED"),
            (30, None, "Unknown", "NONE", "PUBLIC_UNASSIGNED"),
            (0, None, "Unknown", "NONE", "NONE"),
        ] {
            assert_eq!(function_name(function), name);
            assert_eq!(access(function).names(), access_names);
            assert_eq!(category(function, subfunction).names(), category_names, "{function}");
        }
    }
}
