//! State.
/// Flow state.
#[derive(Debug, Default)]
pub struct FlowState { bits: Vec<u16>, ints: Vec<(u16, u32)> }
impl FlowState {
    /// x
    pub fn is_set(&self, bit: u16) -> bool { self.bits.contains(&bit) }
    /// x
    pub fn set(&mut self, bit: u16) { if !self.is_set(bit) { self.bits.push(bit) } }
    /// x
    pub fn unset(&mut self, bit: u16) { self.bits.retain(|&b| b != bit) }
    /// x
    pub fn toggle(&mut self, bit: u16) { if self.is_set(bit) { self.unset(bit) } else { self.set(bit) } }
    /// x
    pub fn int(&self, name: u16) -> Option<u32> { self.ints.iter().find(|i| i.0 == name).map(|i| i.1) }
    /// x
    pub fn set_int(&mut self, name: u16, value: u32) { self.ints.retain(|i| i.0 != name); self.ints.push((name, value)) }
}
