//! Ceremonies of powers of tau: those made here, one that snarkjs made, and the ways to cheat (CE1 to CE5).

use ark_bn254::{Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::Field;
use assay_prover::ceremony::codec::{write_g1, write_g2};
use assay_prover::ceremony::contribution::{self, Secrets};
use assay_prover::ceremony::{Beacon, Ceremony, CeremonyError, Fault, powers};
use assay_prover::package::hex;
use assay_prover::srs::{HeaderField, SrsError, ptau};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tempfile::TempDir;

const POWER: u32 = 3;

macro_rules! assert_err {
    ($value:expr, $pattern:pat $(if $guard:expr)?) => {
        let error = $value.err().expect("refused");
        assert!(matches!(error, $pattern $(if $guard)?), "{error:?}");
    };
}

fn beacon(byte: u8) -> Beacon {
    Beacon::new(vec![byte; 32], 10).unwrap()
}

/// Three people and a beacon.
static HELD: LazyLock<Ceremony> = LazyLock::new(|| {
    let mut ceremony = Ceremony::start(POWER).unwrap();
    ["Ada", "Grace", "Emmy"].iter().for_each(|name| ceremony.contribute(name).unwrap());
    ceremony.end("block 1", beacon(7)).unwrap();
    ceremony
});

/// The same before its beacon.
static OPEN: LazyLock<Ceremony> = LazyLock::new(|| {
    let mut ceremony = Ceremony::start(POWER).unwrap();
    ["Ada", "Grace"].iter().for_each(|name| ceremony.contribute(name).unwrap());
    ceremony
});

/// The verdict on a ceremony with something changed.
fn changed(change: impl FnOnce(&mut Ceremony)) -> Result<(), CeremonyError> {
    let mut ceremony = HELD.clone();
    change(&mut ceremony);
    ceremony.verify()
}

/// The verdict of `import` on the file of a ceremony.
fn import(ceremony: &Ceremony) -> Result<ptau::Import, CeremonyError> {
    let (_folder, path) = written(&ceremony.to_bytes());
    ptau::import(&path, 2, &mut |_, _| ())
}

fn written(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.ptau");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn fault(result: Result<(), CeremonyError>) -> (usize, Fault) {
    match result.expect_err("refused") {
        CeremonyError::Contribution { number, fault, .. } => (number, fault),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_ceremony_of_several_contributions_makes_a_string() {
    HELD.verify().unwrap();
    OPEN.verify().unwrap();
    let names: Vec<_> = HELD.contributions.iter().map(|c| c.name()).collect();
    assert_eq!(names, ["Ada", "Grace", "Emmy", "block 1"]);
    assert_eq!((HELD.beacon(), OPEN.beacon()), (Some(&beacon(7)), None));
    for log in 1..=POWER {
        let srs = HELD.srs(log).unwrap();
        assert!(!srs.development && srs.max_log() == log);
    }
    assert_err!(HELD.srs(POWER + 1), CeremonyError::Srs(SrsError::TooSmall { have: POWER, need: 4 }));
    // the file gives all of it back, and the importer the same string
    let (_folder, path) = written(&HELD.to_bytes());
    let read = Ceremony::read(&path).unwrap();
    read.verify().unwrap();
    assert_eq!(read.to_bytes(), HELD.to_bytes());
    let imported = import(&HELD).unwrap();
    assert_eq!((imported.srs, imported.contributions.len()), (HELD.srs(2).unwrap(), 4));
    assert_ne!(HELD.srs(2).unwrap().id(), OPEN.srs(2).unwrap().id());
    // nobody has the same secrets twice
    let mut again = Ceremony::start(POWER).unwrap();
    again.contribute("Ada").unwrap();
    assert_ne!(again.contributions[0].hash(), OPEN.contributions[0].hash());
}

/// Made with snarkjs 0.7: `powersoftau new bn128 4`, two times `contribute`, `beacon … 10`. It verified the ceremonies
/// that this program makes, too (docs/testing.md).
#[test]
fn a_ceremony_of_another_program_verifies() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/ceremony/snarkjs_4.ptau");
    let ceremony = Ceremony::read(&path).unwrap();
    ceremony.verify().unwrap();
    let names: Vec<_> = ceremony.contributions.iter().map(|c| c.name()).collect();
    assert_eq!(names, ["Ada", "Grace", "beacon"]);
    // what snarkjs printed
    let last = ceremony.contributions.last().unwrap();
    assert!(
        hex(&last.hash()).starts_with("0x6c9fd51a29e756427fb140765f71a6242e83ebd949ba49f9"),
        "{}",
        hex(&last.hash())
    );
    assert!(hex(&last.next).starts_with("0x3c8f0c65364375ededc31e4081d2481d0cf4de3f79280954"), "{}", hex(&last.next));
    assert!(hex(&powers::first_hash(4).unwrap()).ends_with("17bad62ad5ba013c34e7dd2fbb4f143b"));
    let imported = ptau::import(&path, 4, &mut |_, _| ()).unwrap();
    assert_eq!((imported.ceremony_power, imported.contributions.len()), (4, 3));
    assert_eq!(std::fs::read(&path).unwrap(), ceremony.to_bytes(), "one file has one form");
}

/// CE1: a contribution that does not multiply what the one before left.
#[test]
fn ce1_each_contribution_builds_on_the_one_before() {
    // left out, exchanged, there twice
    for i in 0..3 {
        assert_eq!(fault(changed(|c| drop(c.contributions.remove(i)))).0, i + 1, "{i} left out");
        let swapped = fault(changed(|c| c.contributions.swap(i, i + 1)));
        assert_eq!(swapped.0, i + 1, "{i} exchanged with the next one: {swapped:?}");
        assert_eq!(fault(changed(|c| c.contributions.insert(i, c.contributions[i].clone()))).0, i + 2, "{i} twice");
    }
    // the last one thrown away: the powers are others
    assert_err!(changed(|c| drop(c.contributions.pop())), CeremonyError::LastPowers);
    // one of another ceremony: its proof is about another past
    let other = OPEN.contributions[1].clone();
    assert_eq!(fault(changed(|c| c.contributions[1] = other.clone())), (2, Fault::Knowledge("tau")));
    // what it left, altered
    let two = |p: G1Affine| (p + p).into_affine();
    let secrets = |change: &dyn Fn(&mut Secrets)| fault(changed(|c| change(&mut c.contributions[1].secrets)));
    assert_eq!(secrets(&|s| s.tau_g1 = two(s.tau_g1)), (2, Fault::Follows("tau")));
    assert_eq!(secrets(&|s| s.tau_g2 = -s.tau_g2), (2, Fault::Follows("tau")));
    assert_eq!(secrets(&|s| s.alpha_g1 = s.beta_g1), (2, Fault::Follows("alpha")));
    assert_eq!(secrets(&|s| s.beta_g1 = s.alpha_g1), (2, Fault::Follows("beta")));
    assert_eq!(secrets(&|s| s.beta_g2 = s.tau_g2), (2, Fault::Follows("beta")));
    // its hash, altered: the next one's proof is about another past
    assert_eq!(fault(changed(|c| c.contributions[1].next[5] ^= 1)), (3, Fault::Knowledge("tau")));
    assert_err!(changed(|c| c.contributions[3].next[5] ^= 1), CeremonyError::LastHash);
    // powers that only the maker of a new tau knows, under an old transcript
    let mut own = Ceremony::start(POWER).unwrap();
    own.contribute_with("Mallory", [5u64, 6, 7].map(Fr::from)).unwrap();
    own.verify().unwrap();
    own.contributions = HELD.contributions.clone();
    assert_err!(own.verify(), CeremonyError::LastPowers);
    assert_err!(import(&own), CeremonyError::LastPowers);
}

/// CE2: a factor of 1 adds nothing, and one that nobody shows to know may be a quotient that undoes the others.
#[test]
fn ce2_factors_are_known_and_not_one() {
    for (secret, i) in [("tau", 0), ("alpha", 1), ("beta", 2)] {
        let mut ceremony = OPEN.clone();
        let mut secrets = [5u64, 6, 7].map(Fr::from);
        secrets[i] = Fr::ONE;
        ceremony.contribute_with("lazy", secrets).unwrap();
        assert_eq!(fault(ceremony.verify()), (3, Fault::One(secret)));
        // the proofs of another one, or a point of them altered
        let taken = HELD.contributions[0].knowledge[i];
        assert_eq!(fault(changed(|c| c.contributions[2].knowledge[i] = taken)), (3, Fault::Knowledge(secret)));
        let point = |change: &dyn Fn(&mut assay_prover::ceremony::knowledge::Knowledge)| {
            fault(changed(|c| change(&mut c.contributions[0].knowledge[i])))
        };
        assert_eq!(point(&|k| k.s = k.sx), (1, Fault::Knowledge(secret)));
        assert_eq!(point(&|k| k.sx = -k.sx), (1, Fault::Knowledge(secret)));
        assert_eq!(point(&|k| k.px = -k.px), (1, Fault::Knowledge(secret)));
        assert_eq!(point(&|k| k.px = G2Affine::zero()), (1, Fault::Knowledge(secret)));
        // scaled together, they are about another challenge
        assert_eq!(point(&|k| (k.s, k.sx) = ((k.s + k.s).into(), (k.sx + k.sx).into())), (1, Fault::Knowledge(secret)));
    }
    // secrets that make the first contribution's undone, which its maker cannot know: shown with one who does
    let mut own = Ceremony::start(POWER).unwrap();
    let secrets = [5u64, 6, 7].map(Fr::from);
    own.contribute_with("Ada", secrets).unwrap();
    own.contribute_with("Mallory", secrets.map(|x| x.inverse().unwrap())).unwrap();
    assert_err!(own.srs(2), CeremonyError::Srs(SrsError::TrivialTau));
}

/// CE3: a point that is another one, or none of the group.
#[test]
fn ce3_every_point_is_the_power_that_it_should_be() {
    let two = |p: G1Affine| (p + p).into_affine();
    for i in 0..15 {
        assert_err!(
            changed(|c| c.tau_g1[i] = two(c.tau_g1[i])),
            CeremonyError::Srs(SrsError::Powers) | CeremonyError::LastPowers
        );
    }
    for i in 0..8 {
        assert_err!(
            changed(|c| c.tau_g2[i] = -c.tau_g2[i]),
            CeremonyError::Srs(SrsError::Powers) | CeremonyError::LastPowers
        );
        let sections: [fn(&mut Ceremony) -> &mut Vec<G1Affine>; 2] = [|c| &mut c.alpha_g1, |c| &mut c.beta_g1];
        for section in sections {
            let result = changed(|c| section(c)[i] = two(section(c)[i]));
            assert_err!(result, CeremonyError::Srs(SrsError::Powers) | CeremonyError::LastPowers);
        }
    }
    assert_err!(changed(|c| c.tau_g1.swap(4, 5)), CeremonyError::Srs(SrsError::Powers));
    assert_err!(changed(|c| c.alpha_g1.swap(4, 5)), CeremonyError::Srs(SrsError::Powers));
    assert_err!(changed(|c| c.beta_g2 = -c.beta_g2), CeremonyError::LastPowers);
    // all powers of α's section scaled, consistent with themselves
    assert_err!(changed(|c| c.alpha_g1.iter_mut().for_each(|p| *p = two(*p))), CeremonyError::LastPowers);

    // in the file: off the curve, outside the subgroup, the identity, not canonical
    let stray = (1u64..)
        .filter_map(|i| G2Affine::get_point_from_x_unchecked(Fq2::new(i.into(), 1.into()), true))
        .find(|p| !p.is_in_correct_subgroup_assuming_on_curve())
        .unwrap();
    let mut off = HELD.tau_g1[3];
    off.y += Fq::ONE;
    let refused = |ceremony: &Ceremony| {
        let (_folder, path) = written(&ceremony.to_bytes());
        Ceremony::read(&path).err().expect("refused")
    };
    let with = |change: &dyn Fn(&mut Ceremony)| {
        let mut ceremony = HELD.clone();
        change(&mut ceremony);
        refused(&ceremony)
    };
    assert!(matches!(with(&|c| c.tau_g1[3] = off), CeremonyError::Srs(SrsError::G1Point { index: 3 })));
    assert!(matches!(with(&|c| c.beta_g1[2] = G1Affine::zero()), CeremonyError::Srs(SrsError::G1Point { index: 2 })));
    assert!(matches!(with(&|c| c.tau_g2[4] = stray), CeremonyError::Srs(SrsError::G2Point { index: 4 })));
    assert!(matches!(with(&|c| c.beta_g2 = stray), CeremonyError::Srs(SrsError::G2Point { index: 0 })));
    assert!(matches!(with(&|c| c.contributions[1].secrets.alpha_g1 = off), CeremonyError::Malformed { number: 2 }));
    assert!(matches!(with(&|c| c.contributions[2].knowledge[1].px = stray), CeremonyError::Malformed { number: 3 }));
    assert!(matches!(
        with(&|c| c.contributions[2].knowledge[1].s = G1Affine::zero()),
        CeremonyError::Malformed { number: 3 }
    ));
    let mut g1 = Vec::new();
    write_g1(&mut g1, &HELD.tau_g1[1]);
    let mut g2 = Vec::new();
    write_g2(&mut g2, &HELD.tau_g2[1]);
    for point in [g1, g2] {
        let mut bytes = HELD.to_bytes();
        let at = bytes.windows(point.len()).position(|window| window == point).unwrap();
        bytes[at + 31] |= 0xc0;
        let (_folder, path) = written(&bytes);
        assert_err!(
            Ceremony::read(&path),
            CeremonyError::Srs(SrsError::G1Point { index: 1 } | SrsError::G2Point { index: 1 })
        );
    }
}

/// CE4: a file without its transcript, or with a cut one, is nobody's ceremony.
#[test]
fn ce4_a_file_without_its_transcript_is_refused() {
    assert_err!(changed(|c| c.contributions.clear()), CeremonyError::NoContributions);
    let mut stripped = HELD.clone();
    stripped.contributions.clear();
    assert_err!(import(&stripped), CeremonyError::NoContributions);
    assert_err!(Ceremony::start(POWER).unwrap().verify(), CeremonyError::NoContributions);
    // no section 7 at all
    let whole = HELD.to_bytes();
    let transcript = contribution::write(&HELD.contributions);
    let mut bytes = whole[..whole.len() - transcript.len() - 12].to_vec();
    bytes[8] = 6;
    let (_folder, path) = written(&bytes);
    assert_err!(Ceremony::read(&path), CeremonyError::NoContributions);
    assert_err!(ptau::import(&path, 2, &mut |_, _| ()), CeremonyError::NoContributions);
    // cut anywhere, or longer
    for len in (4..transcript.len()).step_by(97) {
        assert_err!(contribution::read(&transcript[..len]), CeremonyError::Malformed { .. });
    }
    assert_err!(contribution::read(&[&transcript[..], &[0]].concat()), CeremonyError::Malformed { number: 5 });
    assert_err!(contribution::read(&[0xff; 8]), CeremonyError::Malformed { number: 0 });
    assert_err!(contribution::read(&[]), CeremonyError::Malformed { number: 0 });
    // a ceremony for more powers than the file has begins with another hash, and cannot go on
    assert_eq!(fault(changed(|c| c.ceremony_power = 5)), (1, Fault::Knowledge("tau")));
    let mut larger = OPEN.clone();
    larger.ceremony_power = 5;
    assert_err!(larger.contribute("late"), CeremonyError::Reduced { power: POWER, ceremony: 5 });
    let mut smaller = HELD.clone();
    smaller.ceremony_power = 2;
    let header = CeremonyError::Srs(SrsError::Header { field: HeaderField::CeremonyPower, value: 2 });
    assert_eq!(import(&smaller).err().unwrap().to_string(), header.to_string());
}

/// CE5: a beacon is what its value gives, and the end.
#[test]
fn ce5_a_beacon_is_not_changed_after_the_fact() {
    let last = |change: &dyn Fn(&mut contribution::Contribution)| fault(changed(|c| change(&mut c.contributions[3])));
    assert_eq!(last(&|c| c.beacon = Some(beacon(8))), (4, Fault::Beacon));
    assert_eq!(last(&|c| c.beacon = Some(Beacon::new(vec![7; 32], 11).unwrap())), (4, Fault::Beacon));
    assert_eq!(last(&|c| c.beacon = Some(Beacon::new(vec![7; 31], 10).unwrap())), (4, Fault::Beacon));
    // a contribution by chance is no beacon's
    let mut chosen = OPEN.clone();
    chosen.contribute("Mallory").unwrap();
    chosen.contributions[2].beacon = Some(beacon(7));
    assert_eq!(fault(chosen.verify()), (3, Fault::Beacon));
    // with another beacon it is another string, so the announced one is compared
    let mut other = OPEN.clone();
    other.end("block 2", beacon(8)).unwrap();
    other.verify().unwrap();
    let mut same = OPEN.clone();
    same.end("block 1", beacon(7)).unwrap();
    assert_ne!(other.srs(2).unwrap().id(), same.srs(2).unwrap().id());
    assert_ne!(other.beacon(), same.beacon());
    // nothing comes after it
    let mut ended = HELD.clone();
    assert_err!(ended.contribute("late"), CeremonyError::Ended);
    assert_err!(ended.end("late", beacon(9)), CeremonyError::Ended);
    let mut hidden = HELD.clone();
    let taken = hidden.contributions[3].beacon.take();
    hidden.contribute("late").unwrap();
    hidden.contributions[3].beacon = taken;
    assert_eq!(fault(hidden.verify()), (5, Fault::AfterBeacon));
    for (value, log) in [(vec![], 10), (vec![1; 256], 10), (vec![1], 9), (vec![1], 27)] {
        assert_err!(Beacon::new(value, log), CeremonyError::BeaconForm);
    }
}

#[test]
fn sizes_and_names_have_limits() {
    for power in [0, powers::MAX_POWER + 1, u32::MAX] {
        assert_err!(Ceremony::start(power), CeremonyError::TooLarge { .. });
    }
    assert_err!(powers::first_hash(29), CeremonyError::TooLarge { power: 29, .. });
    let mut ceremony = Ceremony::start(1).unwrap();
    assert_err!(ceremony.contribute(&"x".repeat(65)), CeremonyError::Name);
    ceremony.contribute(&"\u{1b}[2J".repeat(3)).unwrap();
    assert!(!ceremony.contributions[0].name().contains('\u{1b}'));
    ceremony.verify().unwrap();
}
