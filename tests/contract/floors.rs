//! The house has floors: what a file of `shared/src` uses lies on its own floor's folder or below, and no files use each other in a
//! circle. Read from the sources themselves, tests inside them left out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::{Attribute, Item, ItemMod, ItemUse, UseTree, Visibility, visit::Visit};

/// From the ground up. Rooms of one floor do not use each other.
const FLOORS: &[&[&str]] = &[
    &["error"],
    &["domain"],
    &["ports", "seal"],
    &["config"],
    &["outbound", "payload", "webhook"],
    &["erp", "store"],
    &["parties"],
    &["flow"],
    &["edge"],
    &["aws", "embedded", "fuzzing"],
];

/// A module's path below the crate: `["flow", "depart"]`.
type Module = Vec<String>;

#[test]
fn nobody_uses_what_lies_above() {
    for (from, uses) in house() {
        for to in uses {
            let (room, other) = (&from[0], &to[0]);
            let allowed = room == other || floor(other) < floor(room);
            assert!(allowed, "{} uses {}, which is no lower", from.join("::"), to.join("::"));
        }
    }
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let mut house = house();
    loop {
        // What uses nothing that is left, or is used by nothing that is left, is in no circle.
        let used: BTreeSet<Module> = house.values().flatten().cloned().collect();
        let left: BTreeSet<Module> = house
            .iter()
            .filter(|(file, uses)| !uses.is_empty() && used.contains(*file))
            .map(|(file, _)| file.clone())
            .collect();
        if left.len() == house.len() {
            break;
        }
        house.retain(|file, _| left.contains(file));
        house.values_mut().for_each(|uses| uses.retain(|file| left.contains(file)));
    }
    let circles: Vec<_> = house
        .iter()
        .map(|(file, uses)| {
            format!(
                "{} uses {}",
                file.join("::"),
                uses.iter().map(|file| file.join("::")).collect::<Vec<_>>().join(", ")
            )
        })
        .collect();
    assert!(circles.is_empty(), "in circles:\n{}", circles.join("\n"));
}

#[test]
fn what_the_readers_of_sources_see() {
    let text = "mod inner; pub use inner::Shown; use inner::Used; use super::{aside, crate_like as c};
        fn f() { crate::far::call(); inner::call(); other::call() }
        #[cfg(test)] mod tests { use crate::only::tests; }";
    let module: Module = ["a", "b"].map(str::to_owned).to_vec();
    let seen = Reader::read(text, &module);
    let seen: Vec<_> = seen.iter().map(|path| path.join("::")).collect();
    assert_eq!(seen, ["a::aside", "a::b::inner::Used", "a::crate_like", "far::call"]);
}

fn floor(room: &str) -> usize {
    FLOORS.iter().position(|floor| floor.contains(&room)).unwrap_or_else(|| panic!("{room} is on no floor"))
}

/// Every file, and the other files it uses. The crate's root, which names the rooms, is none of them.
fn house() -> BTreeMap<Module, BTreeSet<Module>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("shared/src");
    let mut files = BTreeMap::new();
    collect(&root, &mut Vec::new(), &mut files);
    assert!(files.len() > 100, "{}", files.len());
    let file_of = |path: &Module| -> Option<Module> {
        // What the root has besides rooms is the error and its kin.
        let known = (1..=path.len()).rev().map(|length| path[..length].to_vec()).find(|path| files.contains_key(path));
        known.or_else(|| Some(vec!["error".to_owned()]))
    };
    let uses = |(module, file): (&Module, &PathBuf)| {
        let paths = Reader::read(&fs::read_to_string(file).unwrap(), module);
        let others = paths.iter().filter_map(file_of).filter(|other| other != module).collect();
        (module.clone(), others)
    };
    files.iter().map(uses).collect()
}

fn collect(folder: &Path, module: &mut Module, files: &mut BTreeMap<Module, PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            module.push(name);
            collect(&path, module, files);
            module.pop();
        } else if path.extension().is_none_or(|extension| extension != "rs") {
            // A snapshot, a table.
        } else if name == "mod" {
            files.insert(module.clone(), path);
        } else if !["lib", "tests"].contains(&name.as_str()) && !module.iter().any(|part| part == "tests") {
            files.insert(module.iter().cloned().chain([name]).collect(), path);
        }
    }
}

/// Collects the paths that a file names, from the crate's root.
struct Reader<'a> {
    module: &'a Module,
    /// The modules that it declares.
    children: BTreeSet<String>,
    seen: BTreeSet<Module>,
}

impl<'a> Reader<'a> {
    fn read(text: &str, module: &'a Module) -> BTreeSet<Module> {
        let file = syn::parse_file(text).unwrap();
        let children = file.items.iter().filter_map(|item| match item {
            Item::Mod(inner) => Some(inner.ident.to_string()),
            _ => None,
        });
        let mut reader = Self { module, children: children.collect(), seen: BTreeSet::new() };
        reader.visit_file(&file);
        reader.seen
    }

    /// A path as it is written; what does not begin at a place in the crate is left out.
    fn see(&mut self, path: &[String]) {
        let (mut from, mut rest) = (self.module.clone(), path);
        match rest.split_first() {
            Some((first, after)) if first == "crate" => (from, rest) = (Module::new(), after),
            Some((first, _)) if first == "self" || first == "super" => {
                while let Some((first, after)) =
                    rest.split_first().filter(|(part, _)| *part == "self" || *part == "super")
                {
                    if first == "super" {
                        from.pop();
                    }
                    rest = after;
                }
            }
            Some((first, _)) if self.children.contains(first) => {}
            _ => return,
        }
        from.extend_from_slice(rest);
        self.seen.insert(from);
    }

    fn see_tree(&mut self, tree: &UseTree, path: &mut Vec<String>) {
        let length = path.len();
        match tree {
            UseTree::Path(inner) => {
                path.push(inner.ident.to_string());
                self.see_tree(&inner.tree, path);
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.see_tree(tree, path)),
            UseTree::Name(name) => path.push(name.ident.to_string()),
            UseTree::Rename(name) => path.push(name.ident.to_string()),
            UseTree::Glob(_) => {}
        }
        if !matches!(tree, UseTree::Path(_) | UseTree::Group(_)) {
            self.see(path);
        }
        path.truncate(length);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_test(&module.attrs) {
            syn::visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let of_child = |tree: &UseTree| match tree {
            UseTree::Path(path) => path.ident == "self" || self.children.contains(&path.ident.to_string()),
            _ => false,
        };
        // A folder that shows what lies in it does not use it.
        let shows = !matches!(item.vis, Visibility::Inherited) && of_child(&item.tree);
        if !shows && !is_test(&item.attrs) {
            self.see_tree(&item.tree, &mut Vec::new());
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        // A row of a table names what lies in its folder; that is no `use`.
        if parts.len() > 1 && !self.children.contains(&parts[0]) {
            self.see(&parts);
        }
        syn::visit::visit_path(self, path);
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}
