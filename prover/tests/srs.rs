//! Powers of tau: the development string, our file, the ceremony's file, and what is wrong with broken ones (PC6).

use ark_bn254::{Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, BigInt, Field, PrimeField};
use assay_prover::{
    ceremony::{Ceremony, CeremonyError, contribution},
    pcs::encode::keccak,
    srs::{HeaderField, Srs, SrsError, file, is_development, ptau},
};
use std::{fs, path::PathBuf};
use tempfile::TempDir;

/// A small writer of `.ptau` files, with a knob for everything that the reader checks.
struct Ptau {
    power: u32,
    prime: BigInt<4>,
    g1: Vec<G1Affine>,
    g2: Vec<G2Affine>,
    /// The transcript, of a ceremony in which one alone contributed who knows τ.
    transcript: Vec<u8>,
    /// Order of the sections; 4 is one the reader skips.
    sections: Vec<u32>,
}

impl Ptau {
    fn new(power: u32, tau: Fr) -> Ptau {
        let mut ceremony = Ceremony::start(power).unwrap();
        ceremony.contribute_with("who knows", [tau, Fr::from(2u64), Fr::from(3u64)]).unwrap();
        let transcript = contribution::write(&ceremony.contributions);
        Ptau {
            power,
            prime: Fq::MODULUS,
            g1: ceremony.tau_g1,
            g2: ceremony.tau_g2,
            transcript,
            sections: vec![1, 2, 3, 4, 7],
        }
    }

    fn section(&self, section: u32) -> Vec<u8> {
        let limbs = |v: &BigInt<4>| v.0.iter().flat_map(|l| l.to_le_bytes()).collect::<Vec<u8>>();
        // `.0` is the Montgomery form
        let fq = |v: &Fq| limbs(&v.0);
        let fq2 = |v: &Fq2| [fq(&v.c0), fq(&v.c1)].concat();
        match section {
            1 => [&32u32.to_le_bytes()[..], &limbs(&self.prime), &self.power.to_le_bytes(), &self.power.to_le_bytes()]
                .concat(),
            2 => self.g1.iter().flat_map(|p| [fq(&p.x), fq(&p.y)].concat()).collect(),
            3 => self.g2.iter().flat_map(|p| [fq2(&p.x), fq2(&p.y)].concat()).collect(),
            7 => self.transcript.clone(),
            _ => vec![0xab; 100],
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = [&b"ptau"[..], &1u32.to_le_bytes(), &(self.sections.len() as u32).to_le_bytes()].concat();
        for s in &self.sections {
            let data = self.section(*s);
            out.extend([&s.to_le_bytes()[..], &(data.len() as u64).to_le_bytes(), &data].concat());
        }
        out
    }
}

const POWER: u32 = 4;

fn tau() -> Fr {
    Fr::from(0x1234_5678_9abcu64).inverse().unwrap()
}

fn import(bytes: &[u8], max_log: u32) -> Result<Srs, SrsError> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("test.ptau");
    fs::write(&path, bytes).unwrap();
    let imported = ptau::import(&path, max_log, &mut |_, _| ()).map(|imported| imported.srs);
    imported.map_err(|error| match error {
        CeremonyError::Srs(error) => error,
        other => panic!("{other:?}"),
    })
}

/// The error that importing a file gives which `change` has broken.
fn broken(change: impl FnOnce(&mut Ptau)) -> SrsError {
    let mut ptau = Ptau::new(POWER, tau());
    change(&mut ptau);
    import(&ptau.bytes(), POWER).unwrap_err()
}

/// The same, bytes broken.
fn broken_bytes(change: impl FnOnce(&mut Vec<u8>)) -> SrsError {
    let mut bytes = Ptau::new(POWER, tau()).bytes();
    change(&mut bytes);
    import(&bytes, POWER).unwrap_err()
}

macro_rules! assert_err {
    ($value:expr, $pattern:pat $(if $guard:expr)?) => {
        let error = $value;
        assert!(matches!(error, $pattern $(if $guard)?), "{error:?}");
    };
}

#[test]
fn a_good_ceremony_file_is_imported() {
    let ptau = Ptau::new(POWER, tau());
    for max_log in 1..=POWER {
        let srs = import(&ptau.bytes(), max_log).unwrap();
        assert_eq!(srs.g1[..], ptau.g1[..(1 << max_log) + 1]);
        assert_eq!((srs.h, srs.tau_h, srs.development), (G2Affine::generator(), ptau.g2[1], false));
        assert_eq!(srs.max_log(), max_log);
    }
    let mut reports = vec![];
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.ptau");
    // the order of sections is free
    fs::write(&path, Ptau { sections: vec![7, 4, 3, 2, 1], ..ptau }.bytes()).unwrap();
    ptau::import(&path, POWER, &mut |done, total| reports.push((done, total))).unwrap();
    assert_eq!(reports.last(), Some(&(17, 17)));
    assert_err!(
        ptau::import(&folder.path().join("absent"), 2, &mut |_, _| ()).err().unwrap(),
        CeremonyError::Srs(SrsError::Io(_))
    );
}

#[test]
fn a_ceremony_file_with_a_wrong_frame_is_refused() {
    assert_err!(broken_bytes(|b| b[0] = b'q'), SrsError::Magic);
    assert_err!(broken_bytes(|b| b[4] = 2), SrsError::Version { version: 2 });
    assert_err!(broken_bytes(|b| b[8..12].fill(0xff)), SrsError::Header { field: HeaderField::Sections, .. });
    assert_err!(broken_bytes(|b| b.truncate(7)), SrsError::Length { have: 7, need: 12 });
    assert_err!(broken_bytes(|b| b.push(0)), SrsError::Length { .. });
    // one section more or fewer than there are
    assert_err!(broken_bytes(|b| b[8] = 6), SrsError::Length { .. });
    assert_err!(broken_bytes(|b| b[8] = 4), SrsError::Length { .. });
    // truncated anywhere: an error, never a panic
    let bytes = Ptau::new(POWER, tau()).bytes();
    for len in (0..bytes.len()).step_by(37) {
        assert!(import(&bytes[..len], POWER).is_err(), "{len}");
    }
    assert_err!(broken(|p| p.sections = vec![1, 2, 3, 2]), SrsError::Section { section: 2 });
    assert_err!(broken(|p| p.sections = vec![1, 3, 4]), SrsError::Section { section: 2 });
    assert_err!(broken(|p| p.sections = vec![1, 2]), SrsError::Section { section: 3 });
    assert_err!(broken(|p| p.sections = vec![]), SrsError::Section { section: 1 });
    // section lengths: "negative", overflowing, one too small, one too large (section 1's is at byte 16)
    for length in [u64::MAX, u64::MAX - 27, i64::MIN as u64, 1 << 40] {
        assert_err!(
            broken_bytes(|b| b[16..24].copy_from_slice(&length.to_le_bytes())),
            SrsError::SectionLength { section: 1, .. }
        );
    }
    assert_err!(broken(|p| p.g1.truncate(30)), SrsError::SectionLength { section: 2, have: 1920, need: 1984 });
    assert_err!(broken(|p| p.g2.push(p.g2[0])), SrsError::SectionLength { section: 3, have: 2176, need: 2048 });
}

#[test]
fn a_ceremony_file_with_a_wrong_header_is_refused() {
    assert_err!(broken(|p| p.prime = Fr::MODULUS), SrsError::Prime);
    assert_err!(broken_bytes(|b| b[24] = 48), SrsError::Header { field: HeaderField::FieldBytes, value: 48 });
    for power in [0, 29, 63, 64, u32::MAX] {
        assert_err!(broken(|p| p.power = power), SrsError::Header { field: HeaderField::Power, .. });
    }
    assert_err!(broken(|p| p.power = 5), SrsError::SectionLength { section: 2, .. });
    let good = Ptau::new(POWER, tau()).bytes();
    for need in [0, 5, 28, 64, u32::MAX] {
        assert_err!(import(&good, need).unwrap_err(), SrsError::TooSmall { have: POWER, .. });
    }
}

#[test]
fn a_ceremony_file_with_wrong_points_is_refused() {
    let two = |p: G1Affine| (p + p).into_affine();
    assert_err!(broken(|p| p.g1[0] = two(p.g1[0])), SrsError::Generator { group: 1 });
    assert_err!(broken(|p| p.g2[0] = p.g2[1]), SrsError::Generator { group: 2 });
    // one power altered, each in turn; two swapped
    for i in 1..=16 {
        assert_err!(broken(|p| p.g1[i] = two(p.g1[i])), SrsError::Powers);
        assert_err!(broken(|p| p.g1[i] = G1Affine::zero()), SrsError::G1Point { index } if index == i as u64);
        assert_err!(broken(|p| p.g1[i].y += Fq::ONE), SrsError::G1Point { index } if index == i as u64);
    }
    assert_err!(broken(|p| p.g1.swap(5, 9)), SrsError::Powers);
    // every point scaled but the first
    assert_err!(broken(|p| p.g1.iter_mut().skip(1).for_each(|x| *x = two(*x))), SrsError::Powers);
    // a coordinate that is not canonical: x + q
    let first = 12 + 12 + 44 + 12;
    assert_err!(broken_bytes(|b| b[first + 31] = 0xff), SrsError::G1Point { index: 0 });
    // G1 and G2 with different τ
    assert_err!(broken(|p| p.g2 = Ptau::new(POWER, tau() + Fr::ONE).g2), SrsError::Powers);
    assert_err!(broken(|p| p.g2[1] = -p.g2[1]), SrsError::Powers);
    assert_err!(broken(|p| p.g2[1].x.c0 += Fq::ONE), SrsError::G2Point { index: 1 });
    assert_err!(broken(|p| p.g2[1] = G2Affine::zero()), SrsError::G2Point { index: 1 });
    let stray = (1u64..)
        .filter_map(|i| G2Affine::get_point_from_x_unchecked(Fq2::new(i.into(), 1.into()), true))
        .find(|p| !p.is_in_correct_subgroup_assuming_on_curve())
        .unwrap();
    assert_err!(broken(|p| p.g2[1] = stray), SrsError::G2Point { index: 1 });
}

#[test]
fn a_ceremony_file_with_a_known_tau_is_refused() {
    assert_err!(import(&Ptau::new(POWER, Fr::ONE).bytes(), POWER).unwrap_err(), SrsError::TrivialTau);
    assert_err!(import(&Ptau::new(POWER, Fr::ZERO).bytes(), POWER).unwrap_err(), SrsError::G2Point { index: 1 });
    let public = Fr::from_be_bytes_mod_order(&keccak(&[
        b"assay-development-srs-v1: this tau is public, nothing proven with it is sound",
    ]));
    let ptau = Ptau::new(POWER, public);
    assert!(is_development(&ptau.g2[1]));
    assert_err!(import(&ptau.bytes(), POWER).unwrap_err(), SrsError::DevelopmentTau);
}

#[test]
fn the_development_string_is_sound_as_a_string_and_marked() {
    for log in [0, 1, 5, 8] {
        let srs = Srs::development(log);
        assert_eq!((srs.g1.len(), srs.max_log()), ((1 << log) + 1, log));
        assert!(srs.development && is_development(&srs.tau_h));
        srs.check().unwrap();
    }
    let (small, large) = (Srs::development(2), Srs::development(6));
    assert_eq!(small.id(), large.id());
    assert_eq!(small.g1[..], large.g1[..5]);
    let real = import(&Ptau::new(POWER, tau()).bytes(), POWER).unwrap();
    assert_ne!(real.id(), small.id());
    assert!(!is_development(&real.tau_h));
}

#[test]
fn check_finds_what_is_wrong() {
    let good = Srs::development(4);
    let with = |change: &dyn Fn(&mut Srs)| {
        let mut srs = good.clone();
        change(&mut srs);
        srs.check().unwrap_err()
    };
    let powers = |s: &mut Srs, change: &dyn Fn(&mut Vec<G1Affine>)| {
        let mut points = s.g1.to_vec();
        change(&mut points);
        s.g1 = points.into();
    };
    assert_err!(with(&|s| s.development = false), SrsError::DevelopmentTau);
    assert_err!(with(&|s| powers(s, &|p| p.swap(2, 3))), SrsError::Powers);
    assert_err!(with(&|s| powers(s, &|p| p[16] = p[0])), SrsError::Powers);
    assert_err!(with(&|s| powers(s, &|p| p.truncate(1))), SrsError::Powers);
    assert_err!(with(&|s| s.h = s.tau_h), SrsError::Generator { group: 2 });
    assert_err!(with(&|s| s.tau_h = s.h), SrsError::TrivialTau);
}

fn saved(srs: &Srs) -> (TempDir, PathBuf, Vec<u8>) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("srs.bin");
    file::save(srs, &path).unwrap();
    let bytes = fs::read(&path).unwrap();
    (folder, path, bytes)
}

#[test]
fn our_file_gives_the_string_back() {
    for srs in [Srs::development(5), import(&Ptau::new(POWER, tau()).bytes(), POWER).unwrap()] {
        let (folder, path, _) = saved(&srs);
        assert_eq!(file::load(&path).unwrap(), srs);
        assert_eq!(file::load_tau(&path).unwrap(), srs.tau_h);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
        assert_err!(file::save(&srs, &folder.path().join("absent/srs.bin")).unwrap_err(), SrsError::Io(_));
    }
}

#[test]
fn a_damaged_file_of_ours_is_refused() {
    let (_folder, path, good) = saved(&Srs::development(3));
    let load = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        file::load(&path).unwrap_err()
    };
    // every byte, flipped; every length
    for i in 0..good.len() {
        let mut bad = good.clone();
        bad[i] ^= 0x10;
        let error = load(&bad);
        match i {
            0..8 => assert!(matches!(error, SrsError::Magic), "{i}: {error:?}"),
            8..12 => assert!(matches!(error, SrsError::Version { .. }), "{i}: {error:?}"),
            12..16 => assert!(matches!(error, SrsError::Header { field: HeaderField::Mark, .. }), "{i}: {error:?}"),
            16..24 => {
                assert!(
                    matches!(error, SrsError::Length { .. } | SrsError::Header { field: HeaderField::Count, .. }),
                    "{i}: {error:?}"
                )
            }
            _ => assert!(matches!(error, SrsError::Hash), "{i}: {error:?}"),
        }
    }
    for len in (0..good.len()).step_by(11) {
        assert_err!(load(&good[..len]), SrsError::Length { .. });
        assert_eq!(file::load_tau(&path).is_ok(), len >= 24 + 128, "{len}");
    }
    // which string it is needs the head only, and the head is looked at
    for (at, what) in [(0, "magic"), (8, "version"), (24, "a point")] {
        let mut bad = good.clone();
        bad[at] ^= 0x80;
        fs::write(&path, bad).unwrap();
        assert!(file::load_tau(&path).is_err(), "{what}");
    }
    assert_err!(load(&[&good[..], &[0]].concat()), SrsError::Length { .. });
    // damaged on purpose, the hash made to fit
    let rehash = |change: &dyn Fn(&mut [u8])| {
        let mut bytes = good.clone();
        let body = bytes.len() - 32;
        change(&mut bytes[..body]);
        let hash = keccak(&[&bytes[..body]]);
        bytes[body..].copy_from_slice(&hash);
        load(&bytes)
    };
    let point = |i: usize| 24 + 128 + 64 * i;
    assert_err!(rehash(&|b| b[12] = 0), SrsError::DevelopmentTau);
    assert_err!(rehash(&|b| b[24..24 + 128].fill(0)), SrsError::TrivialTau);
    assert_err!(rehash(&|b| b[24] = 0xff), SrsError::G2Point { index: 1 });
    assert_err!(rehash(&|b| b[point(4) + 63] ^= 1), SrsError::G1Point { index: 4 });
    assert_err!(rehash(&|b| b[point(4)..point(5)].fill(0)), SrsError::G1Point { index: 4 });
    assert_err!(rehash(&|b| b[point(2)] = 0xff), SrsError::G1Point { index: 2 });
    assert_err!(rehash(&|b| b.copy_within(point(1)..point(2), point(0))), SrsError::Generator { group: 1 });
    assert_err!(rehash(&|b| b.copy_within(point(2)..point(3), point(1))), SrsError::Powers);
}
