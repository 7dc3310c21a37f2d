//! The public interface of the library that programs embed, as a text under version control: a change of it shows in review.
//!
//! The text is read from the sources, since the stable toolchain prints no interface: what is public in `vouchlog`, and what it
//! passes on of our other crates, wherever that is defined. Of what a macro makes there is only the name, as of types from elsewhere
//! (`use … as …`). Not in it: blanket implementations, and those outside the crate of the type.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use quote::ToTokens;
use syn::{Attribute, Fields, ImplItem, Item, ItemImpl, ItemTrait, Meta, TraitItem, Type, Visibility};

use super::circles::{imports, is_test};
use super::root;

/// Imports that are followed one after the other.
const MAX_HOPS: usize = 16;
/// The library that programs embed, and the text of its interface.
const LIBRARY: (&str, &str) = ("vouchlog", "crates/vouchlog/public-api.txt");

/// A module: its crate, as Rust spells the name, and its path in there.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Module {
    library: String,
    path: Vec<String>,
}

impl Module {
    fn root(library: &str) -> Self {
        Self { library: library.to_owned(), path: Vec::new() }
    }

    fn child(&self, name: &str) -> Self {
        Self { path: [&self.path[..], &[name.to_owned()]].concat(), ..self.clone() }
    }
}

/// Where a path leads.
#[derive(PartialEq, Eq)]
enum Target {
    Module(Module),
    /// An item: its module and its name there.
    Item(Module, String),
}

/// The modules of all libraries of a folder, without their tests.
#[derive(Default)]
struct Sources(BTreeMap<Module, Vec<Item>>);

impl Sources {
    fn read(crates: &Path) -> Self {
        let mut sources = Self::default();
        for folder in fs::read_dir(crates).unwrap().map(|entry| entry.unwrap().path()) {
            let (file, src) = (folder.join("src/lib.rs"), folder.join("src"));
            if file.exists() {
                let name = folder.file_name().unwrap().to_string_lossy().replace('-', "_");
                sources.add_file(&file, &src, Module::root(&name));
            }
        }
        sources
    }

    fn add_file(&mut self, file: &Path, children: &Path, module: Module) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let syntax = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.add(syntax.items, children, module);
    }

    /// Adds a module and those it declares. `children` is the folder of their files.
    fn add(&mut self, mut items: Vec<Item>, children: &Path, module: Module) {
        items.retain(|item| !is_test(attributes(item)));
        for item in &mut items {
            let Item::Mod(child) = item else { continue };
            let name = child.ident.to_string();
            match child.content.take() {
                Some((_, items)) => self.add(items, &children.join(&name), module.child(&name)),
                None => {
                    let file = children.join(format!("{name}.rs"));
                    self.add_file(&file, &children.join(&name), module.child(&name));
                }
            }
        }
        self.0.insert(module, items);
    }

    /// What a path in `module` leads to; none if that is outside our crates or made by a macro.
    fn resolve(&self, module: &Module, path: &[String], hops: usize) -> Option<Target> {
        let (first, mut rest) = path.split_first()?;
        let mut here = module.clone();
        match first.as_str() {
            "crate" => here.path.clear(),
            "self" => {}
            "super" => drop(here.path.pop()),
            library if self.0.contains_key(&Module::root(library)) => here = Module::root(library),
            _ => rest = path,
        }
        while let Some((name, after)) = rest.split_first() {
            rest = after;
            if name == "super" {
                here.path.pop();
                continue;
            }
            match self.look_up(&here, name, hops)? {
                Target::Module(below) => here = below,
                item @ Target::Item(..) => return Some(item),
            }
        }
        Some(Target::Module(here))
    }

    /// What a name in `module` stands for.
    fn look_up(&self, module: &Module, name: &str, hops: usize) -> Option<Target> {
        let child = module.child(name);
        if self.0.contains_key(&child) {
            return Some(Target::Module(child));
        }
        let items = self.0.get(module)?;
        if items.iter().any(|item| ident(item).is_some_and(|ident| ident == name)) {
            return Some(Target::Item(module.clone(), name.to_owned()));
        }
        let hops = hops.checked_sub(1)?;
        let uses = items.iter().filter_map(|item| if let Item::Use(item) = item { Some(item) } else { None });
        uses.flat_map(|item| imports(&item.tree)).find_map(|(alias, path)| match alias.as_str() {
            "*" => match self.resolve(module, &path, hops)? {
                Target::Module(other) if other != *module => self.look_up(&other, name, hops),
                _ => None,
            },
            alias if alias == name => self.resolve(module, &path, hops),
            _ => None,
        })
    }

    /// The interface of a library: a line for each thing that can be named.
    fn interface(&self, library: &str) -> String {
        let mut lines = Lines::default();
        self.add_module(&Module::root(library), library, "", &mut lines, MAX_HOPS);
        lines.0.into_iter().map(|line| line + "\n").collect()
    }

    /// Adds what is public in a module, under the path `shown`.
    fn add_module(&self, module: &Module, shown: &str, condition: &str, lines: &mut Lines, hops: usize) {
        let Some(hops) = hops.checked_sub(1) else { return };
        for item in &self.0[module] {
            let condition = &with_condition(condition, attributes(item));
            match item {
                Item::Mod(child) if is_public(&child.vis) => {
                    let name = child.ident.to_string();
                    self.add_module(
                        &module.child(&name),
                        &format!("{shown}::{name}"),
                        condition,
                        lines,
                        hops,
                    );
                }
                Item::Use(item) if is_public(&item.vis) => {
                    for (alias, path) in imports(&item.tree) {
                        let shown = if alias == "*" { shown.to_owned() } else { format!("{shown}::{alias}") };
                        match self.resolve(module, &path, MAX_HOPS) {
                            Some(Target::Module(other)) => {
                                self.add_module(&other, &shown, condition, lines, hops);
                            }
                            Some(Target::Item(other, name)) => {
                                self.add_item(&other, &name, &shown, condition, lines);
                            }
                            None => lines.add(format!("use {} as {shown}", path.join("::")), condition),
                        }
                    }
                }
                _ if visibility(item).is_some_and(is_public) => {
                    let name = ident(item).expect("what has a visibility has a name");
                    self.add_item(module, &name, &format!("{shown}::{name}"), condition, lines);
                }
                _ => {}
            }
        }
    }

    /// Adds the item `name` of `module`, under the path `shown`, and what belongs to it.
    fn add_item(&self, module: &Module, name: &str, shown: &str, condition: &str, lines: &mut Lines) {
        let named = |item: &&Item| ident(item).is_some_and(|ident| ident == name);
        for item in self.0[module].iter().filter(named) {
            lines.add_definition(item, shown, condition);
            for name in derived(attributes(item)) {
                lines.add(format!("impl {name} for {shown}"), condition);
            }
        }
        let target = Target::Item(module.clone(), name.to_owned());
        for (place, items) in self.0.iter().filter(|(place, _)| place.library == module.library) {
            for item in items {
                let Item::Impl(block) = item else { continue };
                let Type::Path(of) = &*block.self_ty else { continue };
                let path: Vec<String> = of.path.segments.iter().map(|it| it.ident.to_string()).collect();
                if self.resolve(place, &path, MAX_HOPS).is_some_and(|found| found == target) {
                    lines.add_impl(block, shown, &with_condition(condition, &block.attrs));
                }
            }
        }
    }
}

/// The lines of an interface, sorted.
#[derive(Default)]
struct Lines(BTreeSet<String>);

impl Lines {
    /// Adds a line and, in brackets, under which features there is such a thing.
    fn add(&mut self, line: String, condition: &str) {
        self.0.insert(if condition.is_empty() { line } else { format!("{line} [{condition}]") });
    }

    fn add_definition(&mut self, item: &Item, shown: &str, condition: &str) {
        match item {
            Item::Fn(item) => self.add(signature(&item.sig, shown), condition),
            Item::Const(item) => self.add(format!("const {shown}: {}", text(&item.ty)), condition),
            Item::Static(item) => self.add(format!("static {shown}: {}", text(&item.ty)), condition),
            Item::Type(item) => {
                self.add(format!("type {shown}{} = {}", text(&item.generics), text(&item.ty)), condition);
            }
            Item::Struct(item) => {
                let closed = item.fields.iter().any(|field| !is_public(&field.vis)) || is_open(&item.attrs);
                let closed = if closed { " { .. }" } else { "" };
                self.add(format!("struct {shown}{}{closed}", text(&item.generics)), condition);
                for (at, field) in item.fields.iter().enumerate().filter(|(_, field)| is_public(&field.vis)) {
                    let name = field.ident.as_ref().map_or(at.to_string(), ToString::to_string);
                    self.add(format!("field {shown}::{name}: {}", text(&field.ty)), condition);
                }
            }
            Item::Enum(item) => {
                let open = if is_open(&item.attrs) { " { .. }" } else { "" };
                self.add(format!("enum {shown}{}{open}", text(&item.generics)), condition);
                for variant in &item.variants {
                    let line = format!("variant {shown}::{}{}", variant.ident, fields(&variant.fields));
                    self.add(line, condition);
                }
            }
            Item::Trait(item) => self.add_trait(item, shown, condition),
            // The rest has no name, or is a macro, which our libraries do not offer.
            _ => {}
        }
    }

    fn add_trait(&mut self, item: &ItemTrait, shown: &str, condition: &str) {
        let above = text(&item.supertraits);
        let above = if above.is_empty() { above } else { format!(": {above}") };
        self.add(format!("trait {shown}{}{above}", text(&item.generics)), condition);
        for inner in &item.items {
            match inner {
                TraitItem::Fn(inner) => {
                    let provided = if inner.default.is_some() { " { .. }" } else { "" };
                    let line = signature(&inner.sig, &format!("{shown}::{}", inner.sig.ident));
                    self.add(format!("{line}{provided}"), condition);
                }
                TraitItem::Const(inner) => {
                    self.add(format!("const {shown}::{}: {}", inner.ident, text(&inner.ty)), condition);
                }
                TraitItem::Type(inner) => {
                    self.add(format!("type {shown}::{}: {}", inner.ident, text(&inner.bounds)), condition);
                }
                _ => {}
            }
        }
    }

    fn add_impl(&mut self, block: &ItemImpl, shown: &str, condition: &str) {
        if let Some((path, _)) = &block.trait_ {
            self.add(format!("impl{} {} for {shown}", text(&block.generics), text(path)), condition);
            return;
        }
        for item in &block.items {
            match item {
                ImplItem::Fn(item) if is_public(&item.vis) => {
                    let line = signature(&item.sig, &format!("{shown}::{}", item.sig.ident));
                    self.add(line, &with_condition(condition, &item.attrs));
                }
                ImplItem::Const(item) if is_public(&item.vis) => {
                    self.add(format!("const {shown}::{}: {}", item.ident, text(&item.ty)), condition);
                }
                _ => {}
            }
        }
    }
}

/// A signature under the path it is shown with.
fn signature(of: &syn::Signature, shown: &str) -> String {
    let named = text(of);
    let name = format!("fn {}", of.ident);
    // Whether a function changes what it was given by value is its own affair.
    let named = named.replace("(mut ", "(").replace(", mut ", ", ");
    named.replacen(&name, &format!("fn {shown}"), 1)
}

/// The fields of a variant, without their documentation.
fn fields(of: &Fields) -> String {
    let each = |field: &syn::Field| match &field.ident {
        Some(name) => format!("{name}: {}", text(&field.ty)),
        None => text(&field.ty),
    };
    let all = of.iter().map(each).collect::<Vec<_>>().join(", ");
    match of {
        Fields::Named(_) => format!(" {{ {all} }}"),
        Fields::Unnamed(_) => format!("({all})"),
        Fields::Unit => String::new(),
    }
}

/// The tokens as one would write them.
fn text(of: &impl ToTokens) -> String {
    let mut text = of.to_token_stream().to_string();
    let tight = [
        (" :: ", "::"),
        (":: ", "::"),
        (" :", ":"),
        (" <", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ,", ","),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        ("& ", "&"),
        (" ;", ";"),
        ("[ ", "["),
        (" ]", "]"),
        (",)", ")"),
        (",>", ">"),
        ("->(", "-> ("),
        (",(", ", ("),
        ("=(", "= ("),
    ];
    for (loose, tight) in tight {
        text = text.replace(loose, tight);
    }
    text
}

/// The traits a type derives.
fn derived(attributes: &[Attribute]) -> Vec<String> {
    let lists = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("derive") => Some(text(&list.tokens)),
        _ => None,
    });
    lists.flat_map(|list| list.split(", ").map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Whether more fields or variants may come.
fn is_open(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident("non_exhaustive"))
}

fn with_condition(outer: &str, attributes: &[Attribute]) -> String {
    let mut all: Vec<String> = if outer.is_empty() { Vec::new() } else { vec![outer.to_owned()] };
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")) {
        if let Meta::List(list) = &attribute.meta {
            let own = text(&list.tokens);
            // What is behind a feature passes on what may be behind the same one.
            if !all.contains(&own) {
                all.push(own);
            }
        }
    }
    all.join(", ")
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// The parts that all kinds of items with a name have.
macro_rules! of_named_item {
    ($item:expr, $part:ident) => {
        match $item {
            Item::Const(item) => Some(&item.$part),
            Item::Enum(item) => Some(&item.$part),
            Item::Mod(item) => Some(&item.$part),
            Item::Static(item) => Some(&item.$part),
            Item::Struct(item) => Some(&item.$part),
            Item::Trait(item) => Some(&item.$part),
            Item::Type(item) => Some(&item.$part),
            Item::Union(item) => Some(&item.$part),
            _ => None,
        }
    };
}

fn ident(item: &Item) -> Option<String> {
    let function = if let Item::Fn(item) = item { Some(&item.sig.ident) } else { None };
    function.or(of_named_item!(item, ident)).map(ToString::to_string)
}

fn visibility(item: &Item) -> Option<&Visibility> {
    let function = if let Item::Fn(item) = item { Some(&item.vis) } else { None };
    function.or(of_named_item!(item, vis))
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        other => of_named_item!(other, attrs).map_or(&[], Vec::as_slice),
    }
}

#[test]
fn the_interface_of_the_library_is_the_recorded_one() {
    let (library, file) = LIBRARY;
    let interface = Sources::read(&root().join("crates")).interface(library);
    let file_path = root().join(file);
    if std::env::var_os("VOUCHLOG_WRITE_GOLDEN").is_some() {
        fs::write(&file_path, &interface).unwrap();
    }
    let recorded = fs::read_to_string(&file_path).unwrap_or_default();
    let (is, was): (BTreeSet<&str>, BTreeSet<&str>) =
        (interface.lines().collect(), recorded.lines().collect());
    let gone = was.difference(&is).map(|line| format!("- {line}"));
    let come = is.difference(&was).map(|line| format!("+ {line}"));
    let changes: Vec<String> = gone.chain(come).collect();
    assert!(
        changes.is_empty(),
        "the public interface changed; if it is meant to, run this test with VOUCHLOG_WRITE_GOLDEN=1:\n{}",
        changes.join("\n")
    );
}

/// What is passed on is found through modules, other crates, aliases and globs; what is private or a test is not.
#[test]
fn the_interface_is_all_that_can_be_named() {
    let dir = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "top/src/lib.rs",
        "mod inner; pub mod open { pub fn call(x: &[u8], y: impl Fn(u64) -> (u8, u8)) {} fn hidden() {} }
        #[cfg(feature = \"more\")] pub use inner::{Kept as Shown, Choice}; pub use below_low::deep::*; pub use std::fmt;",
    );
    write(
        "top/src/inner.rs",
        "#[derive(Clone, Debug)] pub struct Kept<'a> { /// Doc.
        pub name: &'a str, secret: u8 }
        impl<'a> Kept<'a> { /// Doc.
        pub async fn get(&self) -> Option<Vec<u8>> { None } pub fn with(mut self, mut n: u8) -> Self { self } fn own(&self) {} pub(crate) fn near(&self) {} }
        impl From<u8> for super::inner::Kept<'_> { fn from(_: u8) -> Self { todo!() } }
        #[non_exhaustive] pub enum Choice { /// Doc.
        One, Two(u8, String), Three { a: [u8; 32] } }
        pub struct Private; #[cfg(test)] mod tests { impl super::Kept<'_> { pub fn test() {} } }",
    );
    write(
        "below-low/src/lib.rs",
        "mod other; pub mod deep { pub use crate::other::Ask; pub const MAX: usize = 5; }",
    );
    write(
        "below-low/src/other.rs",
        "pub trait Ask: Send { type Reply: Send; fn ask(&mut self, n: u8) -> Self::Reply; fn maybe(&self) {} }",
    );
    let expected = "\
const top::MAX: usize
enum top::Choice { .. } [feature = \"more\"]
field top::Shown::name: &'a str [feature = \"more\"]
async fn top::Shown::get(&self) -> Option<Vec<u8>> [feature = \"more\"]
fn top::Ask::ask(&mut self, n: u8) -> Self::Reply
fn top::Ask::maybe(&self) { .. }
fn top::Shown::with(self, n: u8) -> Self [feature = \"more\"]
fn top::open::call(x: &[u8], y: impl Fn(u64) -> (u8, u8))
impl Clone for top::Shown [feature = \"more\"]
impl Debug for top::Shown [feature = \"more\"]
impl From<u8> for top::Shown [feature = \"more\"]
struct top::Shown<'a> { .. } [feature = \"more\"]
trait top::Ask: Send
type top::Ask::Reply: Send
use std::fmt as top::fmt
variant top::Choice::One [feature = \"more\"]
variant top::Choice::Three { a: [u8; 32] } [feature = \"more\"]
variant top::Choice::Two(u8, String) [feature = \"more\"]
";
    let found = Sources::read(dir.path()).interface("top");
    let sorted: BTreeSet<&str> = expected.lines().collect();
    assert_eq!(found.lines().collect::<Vec<_>>(), sorted.into_iter().collect::<Vec<_>>());
}
