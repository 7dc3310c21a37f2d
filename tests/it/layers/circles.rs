//! Modules of a crate that use each other in a circle can neither be read one after the other nor moved or tested alone.
//!
//! A module uses another if a path in it leads there. A name that a third module passes on leads to where it comes from, so a
//! re-export hides no circle; only `pub use module::*` is not followed. A module and its child modules may use each other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Attribute, Item, Meta, UseTree};

use super::root;

/// Imports that are followed one after the other. More of them import each other.
const MAX_HOPS: usize = 16;

/// A path, or the place of a module below the root of its crate.
pub(super) type Names = Vec<String>;
/// For each module of a folder, the modules beside it that it uses, each with an example.
type Uses = BTreeMap<String, BTreeMap<String, String>>;

/// What a module mentions.
#[derive(Default)]
struct Mentions {
    paths: BTreeSet<Names>,
    /// The paths of imports, by the names they have here.
    imports: BTreeMap<String, Names>,
}

impl Mentions {
    fn add_import(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        let (mut path, alias) = match tree {
            UseTree::Path(path) => return self.add_import(&with(&path.ident), &path.tree),
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.add_import(before, tree));
            }
            UseTree::Glob(_) => (before.to_vec(), Some("*".to_owned())),
            UseTree::Name(name) => (with(&name.ident), None),
            UseTree::Rename(name) => (with(&name.ident), Some(name.rename.to_string())),
        };
        // `a::{self, b}`
        if path.len() > 1 {
            path.pop_if(|last| last == "self");
        }
        if let Some(name) = alias.or_else(|| path.last().cloned()) {
            self.imports.insert(name, path.clone());
        }
        self.paths.insert(path);
    }
}

impl Visit<'_> for Mentions {
    fn visit_item(&mut self, item: &Item) {
        match item {
            // It has mentions of its own.
            Item::Mod(_) => {}
            Item::Use(item) => self.add_import(&[], &item.tree),
            other => visit::visit_item(self, other),
        }
    }

    fn visit_path(&mut self, path: &syn::Path) {
        self.paths.insert(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &syn::Macro) {
        // A macro's input need not be Rust, so its paths are read from the text.
        let text = called.tokens.to_string().replace(" :: ", "::");
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
        let paths = words.filter(|word| word.contains("::"));
        self.paths.extend(paths.map(|path| path.split("::").map(str::to_owned).collect()));
        visit::visit_macro(self, called);
    }
}

/// The modules of a library or program, without its tests.
#[derive(Default)]
struct Modules(BTreeMap<Names, Mentions>);

impl Modules {
    /// Reads the modules below the root `lib.rs` or `main.rs`.
    fn read(root: &Path) -> Self {
        let mut modules = Self::default();
        modules.add_file(root, root.parent().expect("it lies in a folder"), Vec::new());
        modules
    }

    fn add_file(&mut self, file: &Path, children: &Path, module: Names) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let syntax = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.add(&syntax.items, children, module);
    }

    /// Adds a module and those it declares. `children` is the folder of their files.
    fn add(&mut self, items: &[Item], children: &Path, module: Names) {
        let mut mentions = Mentions::default();
        for item in items {
            mentions.visit_item(item);
            let Item::Mod(child) = item else { continue };
            if is_test(&child.attrs) {
                continue;
            }
            let name = child.ident.to_string();
            let (file, folder) = (children.join(format!("{name}.rs")), children.join(&name));
            let place = [&module[..], &[name]].concat();
            match &child.content {
                Some((_, items)) => self.add(items, &folder, place),
                None => self.add_file(&file, &folder, place),
            }
        }
        self.0.insert(module, mentions);
    }

    /// The module a path in the module `from` leads to; none if that is in another crate.
    fn target(&self, from: &[String], path: &[String], hops: usize) -> Option<Names> {
        let child = |module: &[String], name: &String| {
            let child = [module, std::slice::from_ref(name)].concat();
            self.0.contains_key(&child).then_some(child)
        };
        let (mut module, mut rest) = (from.to_vec(), path);
        match path.first()?.as_str() {
            "crate" => (module, rest) = (Vec::new(), &path[1..]),
            "self" | "super" => {
                while let Some((up, after)) = rest.split_first()
                    && ["self", "super"].contains(&up.as_str())
                {
                    module.pop_if(|_| up == "super");
                    rest = after;
                }
            }
            _ => {
                child(from, &path[0])?;
            }
        }
        for (at, name) in rest.iter().enumerate() {
            if let Some(below) = child(&module, name) {
                module = below;
                continue;
            }
            let import = self.0[&module].imports.get(name).filter(|_| hops > 0);
            let passed_on = import.map(|import| [&import[..], &rest[at + 1..]].concat());
            let origin = passed_on.and_then(|path| self.target(&module, &path, hops - 1));
            return Some(origin.unwrap_or(module));
        }
        Some(module)
    }

    /// Every circle, in words.
    fn circles(&self) -> Vec<String> {
        let mut folders: BTreeMap<Names, Uses> = BTreeMap::new();
        for (from, mentions) in &self.0 {
            for path in &mentions.paths {
                let Some(to) = self.target(from, path, MAX_HOPS) else { continue };
                let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
                // Otherwise one is in the other.
                if let (Some(user), Some(used)) = (from.get(common), to.get(common)) {
                    let example = format!("`{}` uses `{}`", from.join("::"), path.join("::"));
                    let uses = folders.entry(from[..common].to_vec()).or_default();
                    uses.entry(user.clone()).or_default().entry(used.clone()).or_insert(example);
                }
            }
        }
        folders.values().flat_map(circles_in).collect()
    }
}

/// Every circle of a crate in the folder `name`: a crate may have a library and a program.
fn circles_of_crate(name: &str) -> Vec<String> {
    let src = root().join("crates").join(name).join("src");
    let mut roots = ["lib.rs", "main.rs"].map(|root| src.join(root)).to_vec();
    roots.retain(|root| root.exists());
    assert!(!roots.is_empty(), "{} has neither lib.rs nor main.rs", src.display());
    roots.iter().flat_map(|root| Modules::read(root).circles()).collect()
}

/// What an import brings into scope: the path of each name, `*` for a glob.
pub(super) fn imports(tree: &UseTree) -> BTreeMap<String, Names> {
    let mut mentions = Mentions::default();
    mentions.add_import(&[], tree);
    mentions.imports
}

pub(super) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let Meta::List(list) = &attribute.meta else { return false };
        list.path.is_ident("cfg") && list.tokens.to_string() == "test"
    })
}

/// The circles among the modules of a folder: for each module the shortest that leads back to it.
fn circles_in(uses: &Uses) -> Vec<String> {
    let mut distinct: BTreeMap<BTreeSet<&str>, Vec<&str>> = BTreeMap::new();
    for circle in uses.keys().filter_map(|start| shortest_circle(uses, start)) {
        distinct.entry(circle.iter().copied().collect()).or_insert(circle);
    }
    let words = |circle: &Vec<&str>| {
        let next = circle.iter().cycle().skip(1);
        let examples: Vec<&str> =
            circle.iter().zip(next).map(|(user, used)| uses[*user][*used].as_str()).collect();
        format!("{}: {}", circle.join(", "), examples.join("; "))
    };
    distinct.values().map(words).collect()
}

fn shortest_circle<'a>(uses: &'a Uses, start: &'a str) -> Option<Vec<&'a str>> {
    let (mut queue, mut seen) = (VecDeque::from([vec![start]]), BTreeSet::new());
    while let Some(way) = queue.pop_front() {
        for next in way.last().and_then(|last| uses.get(*last)).into_iter().flat_map(BTreeMap::keys) {
            if next == start {
                return Some(way);
            }
            if seen.insert(next) {
                queue.push_back([&way[..], &[next.as_str()]].concat());
            }
        }
    }
    None
}

#[test]
fn no_modules_use_each_other_in_a_circle() {
    let mut found = Vec::new();
    for folder in fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path()) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        if folder.join("Cargo.toml").exists() {
            let circles = circles_of_crate(&name);
            found.extend(circles.into_iter().map(|circle| format!("{name}: {circle}")));
        }
    }
    assert!(
        found.is_empty(),
        "modules use each other in a circle; move what both sides need into a module of its own:\n{}",
        found.join("\n")
    );
}

/// Circles through a re-export, through a macro, among child modules and of three modules are found. Tests, comments, and what a
/// module and its child use of each other make none.
#[test]
fn circles_are_found_wherever_they_hide() {
    let dir = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "lib.rs",
        "mod a; mod b; mod c; mod d; mod e; mod f; mod g; pub use b::{B as Shown, self}; #[cfg(test)] mod t;",
    );
    write("a.rs", "use crate::Shown; pub struct A;");
    write("b.rs", "pub struct B; fn show() { println!(\"{:?}\", super::a::A); }");
    write("c.rs", "mod one; mod two; use one::One; pub struct C;");
    write("c/one.rs", "pub struct One(super::C); fn two(_: super::two::Two) {}");
    write("c/two.rs", "use crate::c::one::One; pub struct Two;");
    write("d.rs", "use super::e; pub struct D;");
    write("e.rs", "use crate::f::{self as other}; pub struct E;");
    write("f.rs", "fn f(_: crate::d::D) {}");
    write(
        "g.rs",
        "//! [`crate::a::A`]\nuse crate::{a::A, c::C}; #[cfg(test)] mod tests { use crate::a::A; }",
    );
    let found = Modules::read(&dir.path().join("lib.rs")).circles();
    let expected = [
        "a, b: `a` uses `crate::Shown`; `b` uses `super::a::A`",
        "d, e, f: `d` uses `super::e`; `e` uses `crate::f`; `f` uses `crate::d::D`",
        "one, two: `c::one` uses `super::two::Two`; `c::two` uses `crate::c::one::One`",
    ];
    assert_eq!(found, expected);
}
