//! Which of several kernels computes an operator. At lowering an operator offers variants of itself for a class of shapes, the one
//! its cost model expects to be fastest first; what was measured on the adapter, a table of plain data, overrules that.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};

use serde::{Deserialize, Serialize};

/// The shapes for which one choice is made: a kernel's name with its attributes as they are and its extents about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShapeClass(String);

impl ShapeClass {
    /// The class of all shapes of a kernel.
    pub fn of(kernel: &str) -> Self {
        ShapeClass(kernel.to_string())
    }

    /// Only those with this attribute.
    pub fn exact(mut self, name: &str, value: impl Display) -> Self {
        write!(self.0, " {name}{value}").expect("writing to a string");
        self
    }

    /// Only those with about this extent: up to the same power of two.
    pub fn about(self, name: &str, extent: usize) -> Self {
        self.exact(name, extent.checked_next_power_of_two().unwrap_or(usize::MAX))
    }

    /// Only those with rows about as long that are read alike: in vectors if they are a multiple of eight or of four.
    pub fn row(self, name: &str, extent: usize) -> Self {
        let power = extent.checked_next_power_of_two().unwrap_or(usize::MAX);
        let rest = match extent {
            n if n.is_multiple_of(8) => "",
            n if n.is_multiple_of(4) => "/4",
            _ => "/1",
        };
        self.exact(name, format_args!("{power}{rest}"))
    }
}

impl Display for ShapeClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was chosen for a node that had variants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The class of its shapes.
    pub class: ShapeClass,
    /// The names of all variants, the expected fastest first.
    pub offered: Vec<String>,
    /// The name of the one that runs.
    pub variant: String,
    /// The second best, if there is one: as measured, or as expected.
    pub runner_up: Option<String>,
    /// Whether the choice was measured, rather than expected by the cost model.
    pub measured: bool,
}

impl Choice {
    pub(super) fn new(class: ShapeClass, offered: Vec<String>, choices: Option<&Choices>) -> Self {
        let known = choices.and_then(|c| c.classes.get(&class.0));
        let mut ranked: Vec<&String> = known.map_or_else(Vec::new, |k| k.ranked(&offered));
        let measured = !ranked.is_empty();
        let rejected = |name: &&String| known.is_some_and(|k| k.rejected.contains_key(*name));
        let rest: Vec<&String> = offered.iter().filter(|name| !ranked.contains(name) && !rejected(name)).collect();
        ranked.extend(rest);
        // Were all of them rejected, the first would be as good as any.
        let variant = ranked.first().copied().or(offered.first()).cloned().unwrap_or_default();
        let runner_up = ranked.get(1).map(|name| name.to_string());
        Choice { class, offered, variant, runner_up, measured }
    }
}

/// What was measured of a class's variants on an adapter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Milliseconds of each variant that computes what the others do.
    pub ms: BTreeMap<String, f64>,
    /// The variants that do not, and what was wrong. They are never chosen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rejected: BTreeMap<String, String>,
}

impl Measured {
    /// Those of `offered` that were measured, the fastest first.
    fn ranked<'o>(&self, offered: &'o [String]) -> Vec<&'o String> {
        let timed = |name: &'o String| self.ms.get(name).filter(|ms| ms.is_finite()).map(|&ms| (ms, name));
        let mut ranked: Vec<_> = offered.iter().filter_map(timed).collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        ranked.into_iter().map(|(_, name)| name).collect()
    }

    /// Whether nothing is left to measure of what is `offered`: every variant was timed or rejected, or one is preferred whatever its
    /// time. A later version of the library may offer more than an earlier one measured.
    pub fn settles(&self, offered: &[String]) -> bool {
        let preferred = self.best().is_some_and(|(_, ms)| ms == 0.0);
        preferred || offered.iter().all(|name| self.ms.contains_key(name) || self.rejected.contains_key(name))
    }

    /// The fastest variant and its time.
    pub fn best(&self) -> Option<(&str, f64)> {
        let timed = self.ms.iter().filter(|(_, ms)| ms.is_finite());
        timed.min_by(|a, b| a.1.total_cmp(b.1)).map(|(name, &ms)| (name.as_str(), ms))
    }
}

/// What was measured on an adapter, by class. Names in it that nothing offers any more have no effect.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Choices {
    classes: BTreeMap<String, Measured>,
}

impl Choices {
    /// What is known of a class.
    pub fn get(&self, class: &ShapeClass) -> Option<&Measured> {
        self.classes.get(&class.0)
    }

    /// Sets what is known of a class.
    pub fn insert(&mut self, class: &ShapeClass, measured: Measured) {
        self.classes.insert(class.0.clone(), measured);
    }

    /// Makes a class take one variant, whatever its time.
    pub fn prefer(&mut self, class: &ShapeClass, variant: &str) {
        self.insert(class, Measured { ms: BTreeMap::from([(variant.to_string(), 0.0)]), ..Measured::default() });
    }

    /// Takes over all of `other`; what both know, as `other` does.
    pub fn merge(&mut self, other: Choices) {
        self.classes.extend(other.classes);
    }

    /// Every class and what is known of it, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Measured)> {
        self.classes.iter().map(|(class, measured)| (class.as_str(), measured))
    }

    /// How many classes are known.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class() -> ShapeClass {
        ShapeClass::of("k").exact("s", 2).about("n", 25).row("c", 12).row("d", 3)
    }

    fn choose(choices: Option<&Choices>) -> Choice {
        Choice::new(class(), ["a", "b", "c"].map(String::from).to_vec(), choices)
    }

    #[test]
    fn extents_share_a_class_with_those_of_the_same_power_and_alignment() {
        assert_eq!(class().to_string(), "k s2 n32 c16/4 d4/1");
        assert_eq!(ShapeClass::of("k").about("n", 17), ShapeClass::of("k").about("n", 32));
        assert_ne!(ShapeClass::of("k").about("n", 32), ShapeClass::of("k").about("n", 33));
        assert_ne!(ShapeClass::of("k").row("n", 32), ShapeClass::of("k").row("n", 28));
    }

    #[test]
    fn what_was_measured_overrules_what_is_expected() {
        let expected = choose(None);
        assert_eq!((expected.variant.as_str(), expected.runner_up.as_deref()), ("a", Some("b")));
        assert!(!expected.measured);
        let mut choices = Choices::default();
        let ms = [("c", 1.0), ("a", 2.0), ("gone", 0.1)].map(|(name, ms)| (name.to_string(), ms));
        choices.insert(&class(), Measured { ms: ms.into(), rejected: BTreeMap::new() });
        let measured = choose(Some(&choices));
        assert_eq!((measured.variant.as_str(), measured.runner_up.as_deref()), ("c", Some("a")));
        assert!(measured.measured);
    }

    #[test]
    fn what_was_rejected_is_never_chosen() {
        let mut choices = Choices::default();
        let rejected = BTreeMap::from([("a".to_string(), "wrong".to_string())]);
        choices.insert(&class(), Measured { rejected, ..Measured::default() });
        let choice = choose(Some(&choices));
        assert_eq!((choice.variant.as_str(), choice.runner_up.as_deref()), ("b", Some("c")));
        assert!(!choice.measured);
    }

    #[test]
    fn a_variant_that_is_new_is_left_to_measure() {
        let offered = ["a", "b"].map(String::from);
        let mut known = Measured { ms: BTreeMap::from([("a".to_string(), 1.0)]), ..Measured::default() };
        assert!(!known.settles(&offered) && known.settles(&offered[..1]));
        known.rejected.insert("b".to_string(), "wrong".to_string());
        assert!(known.settles(&offered));
        let mut choices = Choices::default();
        choices.prefer(&class(), "b");
        assert!(choices.get(&class()).unwrap().settles(&offered), "preferred, whatever else there is");
    }

    #[test]
    fn a_table_survives_being_written() {
        let mut choices = Choices::default();
        choices.prefer(&class(), "b");
        let text = serde_json::to_string(&choices).unwrap();
        let read: Choices = serde_json::from_str(&text).unwrap();
        assert_eq!(read, choices);
        assert_eq!(choose(Some(&read)).variant, "b");
        let mut other = Choices::default();
        other.prefer(&class(), "c");
        choices.merge(other);
        assert_eq!(choose(Some(&choices)).variant, "c");
    }
}
