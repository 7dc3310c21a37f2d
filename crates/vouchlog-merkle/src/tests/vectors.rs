//! Goal: agree with everyone else. Method: every published or independently computed vector, counted.

use std::path::{Path, PathBuf};

use base64::Engine;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::reference;
use crate::{
    ConsistencyProof, EMPTY_ROOT, Hash, InclusionProof, LeafIndex, Subtree, SubtreeProof, TilePath, TreeHead,
    TreeSize, encode_index, full_tiles, leaf_hash, partial_tiles, partial_width, sha256,
};

use super::Tree;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(name)
}

fn json<T: DeserializeOwned>(path: &Path) -> T {
    serde_json::from_slice(&std::fs::read(path).unwrap())
        .unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// Calls `accepts` with every probe below a folder of transparency-dev/merkle and compares the verdicts.
fn check_probes<T: DeserializeOwned>(set: &str, want: usize, accepts: impl Fn(&T) -> Option<()>) {
    let mut folders = vec![folder("transparency-dev__merkle/testdata").join(set)];
    let (mut count, mut accepted) = (0, 0);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let probe: Value = json(&path);
            let refused = accepts(&serde_json::from_value(probe.clone()).unwrap()).is_none();
            assert_eq!(refused, probe["wantErr"].as_bool().unwrap(), "{}", path.display());
            (count, accepted) = (count + 1, accepted + usize::from(!refused));
        }
    }
    assert_eq!(count, want, "{set}");
    assert!(accepted > 0, "{set} has probes that hold");
}

fn hash(text: Option<&str>) -> Option<Hash> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(text?).ok()?;
    Hash::try_from(bytes.as_slice()).ok()
}

/// As `hash`, for the roots of the consistency sets. Four of their accepted probes have the text "don't care" for a root,
/// which is no hash and only has to equal itself or not matter; a hash of it stands in.
fn any_root(text: Option<&str>) -> Option<Hash> {
    hash(text).or_else(|| Some(sha256(format!("no hash: {}", text?).as_bytes())))
}

fn hashes(texts: Option<&[String]>) -> Option<Vec<Hash>> {
    texts.unwrap_or_default().iter().map(|text| hash(Some(text))).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InclusionProbe {
    leaf_idx: u64,
    tree_size: u64,
    root: Option<String>,
    leaf_hash: Option<String>,
    proof: Option<Vec<String>>,
}

#[test]
fn inclusion_probes() {
    check_probes("inclusion", 98, |probe: &InclusionProbe| {
        InclusionProof::from_hashes(hashes(probe.proof.as_deref())?)
            .ok()?
            .verify(
                LeafIndex::new(probe.leaf_idx),
                TreeSize::new(probe.tree_size),
                &hash(probe.leaf_hash.as_deref())?,
                &hash(probe.root.as_deref())?,
            )
            .ok()
    });
}

#[derive(Deserialize)]
struct ConsistencyProbe {
    size1: u64,
    size2: u64,
    root1: Option<String>,
    root2: Option<String>,
    proof: Option<Vec<String>>,
}

#[test]
fn consistency_probes() {
    check_probes("consistency", 98, |probe: &ConsistencyProbe| {
        let old = TreeHead { size: TreeSize::new(probe.size1), root: any_root(probe.root1.as_deref())? };
        let new = TreeHead { size: TreeSize::new(probe.size2), root: any_root(probe.root2.as_deref())? };
        let hashes = hashes(probe.proof.as_deref())?;
        let verdict = ConsistencyProof::from_hashes(hashes.clone()).ok()?.verify(&old, &new).ok();
        // The subtree verifier is another algorithm for the same question.
        if probe.size1 > 0 {
            let subtree = Subtree::new(0, probe.size1).unwrap();
            let second = SubtreeProof::from_hashes(hashes).ok()?.verify(subtree, &old.root, &new).ok();
            assert_eq!(verdict, second, "sizes {} and {}", probe.size1, probe.size2);
        }
        verdict
    });
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SubtreeInclusionProbe {
    leaf_idx: u64,
    start: u64,
    end: u64,
    root: Option<String>,
    leaf_hash: Option<String>,
    proof: Option<Vec<String>>,
}

#[test]
fn subtree_inclusion_probes() {
    check_probes("subtreeinclusion", 204, |probe: &SubtreeInclusionProbe| {
        let proof = InclusionProof::from_hashes(hashes(probe.proof.as_deref())?).ok()?;
        Subtree::new(probe.start, probe.end)
            .ok()?
            .verify_inclusion(
                &proof,
                LeafIndex::new(probe.leaf_idx),
                &hash(probe.leaf_hash.as_deref())?,
                &hash(probe.root.as_deref())?,
            )
            .ok()
    });
}

#[derive(Deserialize)]
struct SubtreeConsistencyProbe {
    start: u64,
    end: u64,
    size: u64,
    root1: Option<String>,
    root2: Option<String>,
    proof: Option<Vec<String>>,
}

#[test]
fn subtree_consistency_probes() {
    check_probes("subtreeconsistency", 118, |probe: &SubtreeConsistencyProbe| {
        let tree = TreeHead { size: TreeSize::new(probe.size), root: any_root(probe.root2.as_deref())? };
        SubtreeProof::from_hashes(hashes(probe.proof.as_deref())?)
            .ok()?
            .verify(Subtree::new(probe.start, probe.end).ok()?, &any_root(probe.root1.as_deref())?, &tree)
            .ok()
    });
}

/// The accumulated vectors: SHA-256 over one line for each case, of the tree whose leaf i is the byte i.
fn check_accumulated(set: &str, lines: impl FnOnce(&[Hash]) -> String) {
    let file: Value = json(&folder("ietf-plants-wg__merkle-tree-certs/accumulated-subtree-vectors.json"));
    let leaves: Vec<Hash> = (0..130_u8).map(|byte| leaf_hash(&[byte])).collect();
    assert_eq!(
        sha256(lines(&leaves).as_bytes()).to_string(),
        file["lines"][set]["sha256"].as_str().unwrap(),
        "{set}"
    );
}

/// All valid subtrees that end by leaf 130, in the order of the accumulated vectors.
fn subtrees(up_to: u64) -> impl Iterator<Item = Subtree> {
    (0..=up_to).flat_map(|end| (0..=end).filter_map(move |begin| Subtree::new(begin, end).ok()))
}

fn line(head: &str, hashes: &[Hash]) -> String {
    let mut line = head.to_owned();
    for hash in hashes {
        line.push(' ');
        line.push_str(&hash.to_string());
    }
    line.push('\n');
    line
}

fn slice(leaves: &[Hash], subtree: Subtree) -> &[Hash] {
    &leaves[usize::try_from(subtree.begin()).unwrap()..usize::try_from(subtree.end()).unwrap()]
}

fn interval(subtree: Subtree) -> String {
    format!("[{}, {})", subtree.begin(), subtree.end())
}

#[test]
fn accumulated_subtree_hashes() {
    check_accumulated("subtree_hash", |leaves| {
        subtrees(130)
            .map(|subtree| line(&interval(subtree), &[reference::mth(slice(leaves, subtree))]))
            .collect()
    });
}

#[test]
fn accumulated_subtree_inclusion_proofs() {
    check_accumulated("subtree_inclusion", |leaves| {
        let tree = Tree::of(leaves);
        let mut lines = String::new();
        for subtree in subtrees(130) {
            let root = reference::mth(slice(leaves, subtree));
            for index in subtree.begin()..subtree.end() {
                let plan = subtree.plan_inclusion(LeafIndex::new(index)).unwrap();
                let proof = InclusionProof::from_nodes(&plan, &tree.fetch(&plan)).unwrap();
                let leaf = &leaves[usize::try_from(index).unwrap()];
                subtree.verify_inclusion(&proof, LeafIndex::new(index), leaf, &root).unwrap();
                lines += &line(&format!("{index} {}", interval(subtree)), proof.hashes());
            }
        }
        lines
    });
}

#[test]
fn accumulated_subtree_consistency_proofs() {
    check_accumulated("subtree_consistency", |leaves| {
        let mut lines = String::new();
        for size in 0..=130 {
            let tree = Tree::of(&leaves[..size]);
            for subtree in subtrees(size as u64) {
                let plan = SubtreeProof::plan(subtree, tree.head.size).unwrap();
                let proof = SubtreeProof::from_nodes(&plan, &tree.fetch(&plan)).unwrap();
                lines += &line(&format!("{} {size}", interval(subtree)), proof.hashes());
            }
        }
        lines
    });
}

#[test]
fn accumulated_covering_subtrees() {
    check_accumulated("covering_subtrees", |_| {
        let mut lines = String::new();
        for end in 0..=130 {
            for begin in 0..=end {
                let [left, right] = Subtree::covering(begin, end).unwrap();
                lines += &format!("{} {}\n", interval(left), interval(right));
            }
        }
        lines
    });
}

#[test]
fn computed_reference_tree() {
    let file: Value = json(&folder("computed/rfc6962-reference-tree.json"));
    let list = |value: &Value| -> Vec<Hash> {
        value.as_array().unwrap().iter().map(|hash| hash.as_str().unwrap().parse().unwrap()).collect()
    };
    let number = |value: &Value| value.as_u64().unwrap();
    let inputs = file["leaf_inputs_hex"].as_array().unwrap();
    let leaves: Vec<Hash> =
        inputs.iter().map(|input| leaf_hash(&hex::decode(input.as_str().unwrap()).unwrap())).collect();
    assert_eq!(leaves, list(&file["leaf_hashes_hex"]));

    let trees: Vec<Tree> = (0..=8).map(|size| Tree::of(&leaves[..size])).collect();
    assert_eq!(trees.iter().map(|tree| tree.head.root).collect::<Vec<_>>(), list(&file["roots_by_size_hex"]));
    assert_eq!(trees[0].head.root, EMPTY_ROOT);

    let inclusion = file["inclusion"].as_array().unwrap();
    for case in inclusion {
        let (index, size) = (LeafIndex::new(number(&case["index"])), TreeSize::new(number(&case["size"])));
        let plan = InclusionProof::plan(index, size).unwrap();
        assert_eq!(plan.build(&trees[8].fetch(&plan)).unwrap(), list(&case["proof"]), "{index} in {size}");
    }
    let consistency = file["consistency"].as_array().unwrap();
    for case in consistency {
        let (old, new) = (number(&case["old"]), number(&case["new"]));
        let plan = ConsistencyProof::plan(TreeSize::new(old), TreeSize::new(new)).unwrap();
        assert_eq!(plan.build(&trees[8].fetch(&plan)).unwrap(), list(&case["proof"]), "{old} to {new}");
    }
    assert_eq!((inclusion.len(), consistency.len()), (36, 36));
}

#[test]
fn computed_tile_paths() {
    let file: Value = json(&folder("computed/tiles-shapes.json"));
    let paths = file["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 13);
    for (index, encoded) in paths {
        let (index, encoded): (u64, &str) = (index.parse().unwrap(), encoded.as_str().unwrap());
        assert_eq!(encode_index(index), encoded);
        let path = TilePath::Entries { index, width: 256 };
        assert_eq!(TilePath::parse(&format!("tile/entries/{encoded}")), Ok(path));
    }
}

#[test]
fn computed_tile_shapes() {
    let file: Value = json(&folder("computed/tiles-shapes.json"));
    let shapes = file["shapes"].as_object().unwrap();
    assert_eq!(shapes.len(), 13);
    for (size, levels) in shapes {
        let size = TreeSize::new(size.parse().unwrap());
        let levels = levels.as_array().unwrap();
        let mut partials = 0;
        for (level, shape) in (0..).zip(levels) {
            assert_eq!(shape["level"], level);
            assert_eq!(full_tiles(level, size), shape["full"].as_u64().unwrap(), "level {level} of {size}");
            assert_eq!(u64::from(partial_width(level, size)), shape["partial_width"].as_u64().unwrap());
            partials += usize::from(shape["partial_width"] != 0);
        }
        assert_eq!(partial_tiles(size).count(), partials, "nothing above the listed levels of {size}");
    }
}
