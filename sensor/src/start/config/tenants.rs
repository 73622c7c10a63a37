//! Tenants (`multi-detect`): networks with rules and variables of their own, told apart by VLAN, by interface, or by what is said of a
//! capture. Each has a configuration file, in which is what its rules are read with; what is not there is as in the main one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::node::{Node, Value};
use super::read::Reader;
use super::{Configuration, Problem, assemble, keys};
use crate::inspect::tenants::Selector;

/// What `multi-detect` says.
#[derive(Clone, Debug)]
pub struct Tenancy {
    /// `selector`, with `mappings`: whose packets are whose.
    pub selector: Selector,
    /// `default`: packets of nobody are inspected with the rules of the main configuration.
    pub default_rules: bool,
    /// `tenants`, by their number.
    pub tenants: Vec<Tenant>,
}

/// A tenant.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// `id`, above 0.
    pub id: u32,
    /// `yaml`: its configuration file.
    pub file: PathBuf,
    /// The main configuration with what that file says in its place.
    pub configuration: Configuration,
    /// The file could not be read: it has no rules.
    pub is_unread: bool,
}

impl Tenancy {
    /// Reads it; `None` where there are no tenants. `main` is the configuration but for them.
    pub(super) fn read((main, file): (&Configuration, Option<&Path>), reader: &mut Reader<'_>) -> Option<Self> {
        let Reader { root, refused, faults, warnings } = reader;
        let section = root.get("multi-detect").filter(|section| section.switch_at("enabled", false, faults))?;
        let mut reader = TenantReader { section, main, file, refused, faults, warnings };
        let tenants = reader.tenants();
        let selector = reader.selector(root, &tenants);
        reader.name_unknown(&tenants);
        reader.name_unmapped(&selector, &tenants);
        let default_rules = section.switch_at("default", true, faults);
        if let (Selector::Vlan(_), false) = (&selector, main.vlan_tracking) {
            let place = root.at("vlan.use-for-tracking").unwrap_or(section);
            let message = "tenants are told apart by VLANs, but VLANs do not separate flows";
            faults.push(place.problem(message.into(), "set vlan.use-for-tracking to yes, or choose another selector"));
        }
        Some(Self { selector, default_rules, tenants })
    }
}

/// Keys of a tenant's file that count.
const TENANT_KEYS: &[&str] = &[
    "include",
    "vars",
    "default-rule-path",
    "rule-files",
    "classification-file",
    "reference-config-file",
    "threshold-file",
];
/// Keys that have no meaning for this sensor and are passed over.
const IDLE_KEYS: &[&str] = &["detect", "detect-engine", "mpm-algo"];

struct TenantReader<'a> {
    section: &'a Node,
    main: &'a Configuration,
    file: Option<&'a Path>,
    refused: &'a mut Vec<Problem>,
    faults: &'a mut Vec<Problem>,
    warnings: &'a mut Vec<Problem>,
}

impl TenantReader<'_> {
    fn tenants(&mut self) -> Vec<Tenant> {
        let mut tenants: Vec<Tenant> = Vec::new();
        for item in self.section.get("tenants").map(Node::items).unwrap_or(&[]) {
            let item = within(item, "tenant");
            let id = item.get("id").and_then(Node::text).and_then(|text| text.parse().ok()).filter(|id| *id > 0);
            let Some(id) = id else {
                let place = item.get("id").unwrap_or(item);
                self.faults.push(place.problem("a tenant needs a number".into(), "such as `id: 1`; 0 is nobody's"));
                continue;
            };
            if tenants.iter().any(|known| known.id == id) {
                let place = item.get("id").unwrap_or(item);
                let message = format!("tenant {id} is there twice; the first one counts");
                self.faults.push(place.problem(message, "give each tenant its own id"));
                continue;
            }
            tenants.push(self.tenant(id, item));
        }
        tenants.sort_by_key(|tenant| tenant.id);
        tenants
    }

    fn tenant(&mut self, id: u32, item: &Node) -> Tenant {
        let mut configuration = Configuration { rule_path: None, rule_files: Vec::new(), ..self.main.clone() };
        let Some(yaml) = item.get("yaml").and_then(Node::text) else {
            self.faults.push(item.problem(format!("tenant {id} has no file"), "such as `yaml: tenant-1.yaml`"));
            return Tenant { id, file: PathBuf::new(), configuration, is_unread: true };
        };
        let file = self.path(yaml);
        let (mut root, is_unread) = match assemble::read(&file, &[], self.warnings) {
            Ok(root) => (root, false),
            Err(problem) if problem.line > 0 => {
                self.faults.push(problem);
                (Node::default(), true)
            }
            Err(problem) => {
                let message = format!("the file of tenant {id}, {}, {}", file.display(), problem.message);
                let place = item.get("yaml").unwrap_or(item);
                self.faults.push(place.problem(message, "it is looked for in multi-detect.config-path"));
                (Node::default(), true)
            }
        };
        if let Some(over) = self.section.get(&id.to_string()) {
            root.lay_over(over);
        }
        let mut reader = Reader::new(&root);
        reader.rules(&mut configuration);
        self.refused.append(&mut reader.refused);
        self.faults.append(&mut reader.faults);
        self.warnings.append(&mut reader.warnings);
        if configuration.rule_files.is_empty() && !is_unread {
            let message = format!("tenant {id} has no rules");
            self.warnings
                .push(root.problem(message, "name them with rule-files; those of the main configuration do not count"));
        }
        for (key, node) in root.entries().iter().filter(|(key, _)| !IDLE_KEYS.contains(&key.as_str())) {
            if !TENANT_KEYS.contains(&key.as_str()) {
                let message = format!("the key `{key}` cannot be another one for each tenant, and is ignored here");
                self.warnings.push(node.problem(
                    message,
                    &format!(
                        "say it in the main configuration, or check its spelling; a tenant has {}",
                        TENANT_KEYS.join(", ")
                    ),
                ));
            }
        }
        Tenant { id, file, configuration, is_unread }
    }

    /// Where a tenant's file lies: below `config-path`; without it in the current folder, else beside the main configuration.
    fn path(&self, yaml: &str) -> PathBuf {
        if let Some(folder) = self.section.get("config-path").and_then(Node::text) {
            return Path::new(folder).join(yaml);
        }
        let beside = self.file.and_then(Path::parent).map(|folder| folder.join(yaml));
        let here = PathBuf::from(yaml);
        beside.filter(|beside| !here.is_file() && beside.is_file()).unwrap_or(here)
    }

    fn selector(&mut self, root: &Node, tenants: &[Tenant]) -> Selector {
        let node = self.section.get("selector");
        match node.and_then(Node::text).map(str::to_ascii_lowercase).as_deref() {
            Some("vlan") => Selector::Vlan(self.mappings("vlan-id", tenants, |text| {
                text.parse().ok().filter(|id| (1..=4094).contains(id)).ok_or("a VLAN has a number from 1 to 4094")
            })),
            Some("device") => Selector::Device(self.mappings("device", tenants, |text| Ok(text.to_owned()))),
            Some("direct") => {
                let said = root.at("pcap-file.tenant-id").filter(|node| !matches!(node.text(), None | Some("none")));
                Selector::Direct(said.and_then(|node| self.known(node, tenants)))
            }
            _ => {
                let place = node.unwrap_or(self.section);
                self.faults.push(
                    place.problem(
                        "what tells tenants apart is missing".into(),
                        "set selector to vlan, device or direct",
                    ),
                );
                Selector::Direct(None)
            }
        }
    }

    /// Whose is what, by the values of a key.
    fn mappings<T: Ord>(
        &mut self,
        key: &str,
        tenants: &[Tenant],
        read: impl Fn(&str) -> Result<T, &'static str>,
    ) -> BTreeMap<T, u32> {
        let mut mappings = BTreeMap::new();
        let hint = format!("such as `- {key}: …` with `tenant-id: 1`");
        for item in self.section.get("mappings").map(Node::items).unwrap_or(&[]) {
            let item = within(item, "vlan");
            let (Some(what), Some(tenant)) = (item.get(key), item.get("tenant-id")) else {
                self.faults.push(item.problem(format!("a mapping needs `{key}` and `tenant-id`"), &hint));
                continue;
            };
            let value = match read(what.text().unwrap_or_default()) {
                Ok(value) => value,
                Err(message) => {
                    self.faults.push(what.problem(message.into(), &hint));
                    continue;
                }
            };
            let Some(tenant) = self.known(tenant, tenants) else { continue };
            if mappings.contains_key(&value) {
                let message = format!("this {key} belongs to a tenant already; the first one counts");
                self.faults.push(what.problem(message, "map it once"));
                continue;
            }
            mappings.insert(value, tenant);
        }
        mappings
    }

    /// The tenant that a number means, if there is one.
    fn known(&mut self, node: &Node, tenants: &[Tenant]) -> Option<u32> {
        let text = node.text().unwrap_or_default();
        let id = text.parse().ok().filter(|id| tenants.iter().any(|tenant| tenant.id == *id));
        if id.is_none() {
            let known: Vec<String> = tenants.iter().map(|tenant| tenant.id.to_string()).collect();
            let hint = format!("there are: {}", if known.is_empty() { "none".into() } else { known.join(", ") });
            self.faults.push(node.problem(format!("there is no tenant `{text}`"), &hint));
        }
        id
    }

    /// Names tenants that no packet can belong to.
    fn name_unmapped(&mut self, selector: &Selector, tenants: &[Tenant]) {
        let mapped: Vec<u32> = match selector {
            Selector::Vlan(vlans) => vlans.values().copied().collect(),
            Selector::Device(devices) => devices.values().copied().collect(),
            Selector::Direct(_) => return,
        };
        for tenant in tenants.iter().filter(|tenant| !mapped.contains(&tenant.id)) {
            let message = format!("no packet belongs to tenant {}: nothing is mapped to it", tenant.id);
            let place = self.section.get("mappings").unwrap_or(self.section);
            self.warnings.push(place.problem(message, "add it to multi-detect.mappings"));
        }
    }

    fn name_unknown(&mut self, tenants: &[Tenant]) {
        let known = keys::below("multi-detect");
        let ids: Vec<String> = tenants.iter().map(|tenant| tenant.id.to_string()).collect();
        let known: Vec<&str> = known.into_iter().chain(ids.iter().map(String::as_str)).collect();
        self.section.name_unknown("multi-detect", &known, self.warnings);
    }
}

/// What an item of a list says: older files have it below a key of its own.
fn within<'n>(item: &'n Node, key: &str) -> &'n Node {
    item.get(key).filter(|inner| matches!(inner.value, Value::Map(_))).unwrap_or(item)
}

#[cfg(test)]
#[path = "tenants/tests.rs"]
mod tests;
