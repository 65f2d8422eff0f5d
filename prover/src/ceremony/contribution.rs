//! The transcript of the first phase: what each contribution left, and the proofs that its maker knew his factors.
//! Section 7 of a `.ptau` file.

use super::blake2b::{Blake2b, STATE_BYTES};
use super::codec::{Parts, write_g1, write_g2};
use super::{Beacon, CeremonyError, Fault, knowledge::Knowledge};
use crate::pcs::encode::{g1_bytes, g2_bytes};
use ark_bn254::{G1Affine, G2Affine};
use ark_ec::AffineRepr;

/// Names of the three secrets, in the order of files.
pub const SECRETS: [&str; 3] = ["tau", "alpha", "beta"];
/// Most contributions that are read.
const MAX_CONTRIBUTIONS: u32 = 10_000;
/// Most bytes of a name.
pub const MAX_NAME: usize = 64;

/// The secrets times the generators, as a contribution left them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secrets {
    /// `[τ]_1`.
    pub tau_g1: G1Affine,
    /// `[τ]_2`.
    pub tau_g2: G2Affine,
    /// `[α]_1`.
    pub alpha_g1: G1Affine,
    /// `[β]_1`.
    pub beta_g1: G1Affine,
    /// `[β]_2`.
    pub beta_g2: G2Affine,
}

impl Secrets {
    /// Before the first contribution: all are 1.
    pub fn ones() -> Self {
        let (g1, g2) = (G1Affine::generator(), G2Affine::generator());
        Self { tau_g1: g1, tau_g2: g2, alpha_g1: g1, beta_g1: g1, beta_g2: g2 }
    }
}

/// One contribution.
#[derive(Clone)]
pub struct Contribution {
    /// What its maker calls himself, at most 255 bytes of UTF-8.
    pub(super) label: Vec<u8>,
    /// If it is a beacon's.
    pub beacon: Option<Beacon>,
    /// What it left.
    pub secrets: Secrets,
    /// The proofs for `τ`, `α` and `β`.
    pub knowledge: [Knowledge; 3],
    /// The state of the hash of everything that it left, before the proofs, with what other programs leave in its
    /// unused bytes.
    pub(super) partial: [u8; STATE_BYTES],
    /// The hash that the next one begins with.
    pub next: [u8; 64],
}

impl Contribution {
    /// What its maker calls himself; nothing shows that he is that.
    pub fn name(&self) -> String {
        printable(&self.label)
    }

    /// The hash that its maker keeps, and finds again in the transcript.
    pub fn hash(&self) -> [u8; 64] {
        // it was read, so it is a state
        let mut hash = Blake2b::from_state(&self.partial).unwrap_or_default();
        self.knowledge.iter().for_each(|k| [&k.s, &k.sx].iter().for_each(|point| hash.update(&g1_bytes(point))));
        self.knowledge.iter().for_each(|k| hash.update(&g2_bytes(&k.px)));
        hash.finish()
    }

    /// Whether it follows on `before`, whose hash is `hash`.
    fn check(&self, before: &Secrets, hash: &[u8; 64]) -> Result<(), Fault> {
        let after = &self.secrets;
        let mut factors = Vec::with_capacity(3);
        for (label, (knowledge, secret)) in self.knowledge.iter().zip(SECRETS).enumerate() {
            let factor = knowledge.check(label as u8, hash).ok_or(Fault::Knowledge(secret))?;
            if factor.is_one() {
                return Err(Fault::One(secret));
            }
            factors.push(factor);
        }
        let follows = |holds: bool, what| if holds { Ok(()) } else { Err(Fault::Follows(what)) };
        let [tau, alpha, beta] = &factors[..] else { return Err(Fault::Follows("tau")) };
        follows(tau.moved_g1(&before.tau_g1, &after.tau_g1) && tau.moved_g2(&before.tau_g2, &after.tau_g2), "tau")?;
        follows(alpha.moved_g1(&before.alpha_g1, &after.alpha_g1), "alpha")?;
        follows(
            beta.moved_g1(&before.beta_g1, &after.beta_g1) && beta.moved_g2(&before.beta_g2, &after.beta_g2),
            "beta",
        )?;
        match &self.beacon {
            Some(beacon) if super::powers::Keys::of_beacon(beacon).knowledge(hash) != self.knowledge => {
                Err(Fault::Beacon)
            }
            _ => Ok(()),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let Secrets { tau_g1, tau_g2, alpha_g1, beta_g1, beta_g2 } = &self.secrets;
        write_g1(out, tau_g1);
        write_g2(out, tau_g2);
        write_g1(out, alpha_g1);
        write_g1(out, beta_g1);
        write_g2(out, beta_g2);
        self.knowledge.iter().for_each(|k| [&k.s, &k.sx].iter().for_each(|point| write_g1(out, point)));
        self.knowledge.iter().for_each(|k| write_g2(out, &k.px));
        out.extend(self.partial);
        out.extend(self.next);
        out.extend(u32::from(self.beacon.is_some()).to_le_bytes());
        let mut parameters = Vec::new();
        if !self.label.is_empty() {
            parameters.extend([1, self.label.len() as u8]);
            parameters.extend(&self.label);
        }
        if let Some(beacon) = &self.beacon {
            parameters.extend([2, beacon.log_iterations as u8, 3, beacon.value.len() as u8]);
            parameters.extend(&beacon.value);
        }
        out.extend((parameters.len() as u32).to_le_bytes());
        out.extend(parameters);
    }

    fn read(parts: &mut Parts<'_>) -> Option<Self> {
        let secrets = Secrets {
            tau_g1: parts.g1()?,
            tau_g2: parts.g2()?,
            alpha_g1: parts.g1()?,
            beta_g1: parts.g1()?,
            beta_g2: parts.g2()?,
        };
        let mut pair = || Some((parts.g1()?, parts.g1()?));
        let pairs = [pair()?, pair()?, pair()?];
        let products = [parts.g2()?, parts.g2()?, parts.g2()?];
        let [k0, k1, k2] = pairs;
        let [p0, p1, p2] = products;
        let knowledge = [(k0, p0), (k1, p1), (k2, p2)].map(|((s, sx), px)| Knowledge { s, sx, px });
        let partial = parts.array()?;
        Blake2b::from_state(&partial)?;
        let next = parts.array()?;
        let kind = parts.u32()?;
        let len = parts.u32()?;
        let Parameters { label, log_iterations, value } = Parameters::read(parts.bytes(len as usize)?)?;
        let beacon = match (kind, log_iterations, value) {
            (0, None, None) => None,
            (1, Some(log_iterations), Some(value)) => Some(Beacon::new(value, log_iterations).ok()?),
            _ => return None,
        };
        Some(Self { label, beacon, secrets, knowledge, partial, next })
    }
}

/// What a contribution says of itself.
#[derive(Default)]
struct Parameters {
    label: Vec<u8>,
    log_iterations: Option<u32>,
    value: Option<Vec<u8>>,
}

impl Parameters {
    /// In the order of their numbers, each at most once.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (mut out, mut parts, mut last) = (Self::default(), Parts(bytes), 0);
        while !parts.0.is_empty() {
            let [kind, number] = parts.array()?;
            if kind <= last {
                return None;
            }
            last = kind;
            match kind {
                1 => out.label = parts.bytes(number.into())?.to_vec(),
                2 => out.log_iterations = Some(number.into()),
                3 => out.value = Some(parts.bytes(number.into())?.to_vec()),
                _ => return None,
            }
        }
        Some(out)
    }
}

/// A name without what could move a terminal's cursor.
pub(super) fn printable(label: &[u8]) -> String {
    String::from_utf8_lossy(label)
        .chars()
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}

/// The contributions of a file, in their order.
pub fn read(section: &[u8]) -> Result<Vec<Contribution>, CeremonyError> {
    let mut parts = Parts(section);
    let count =
        parts.u32().filter(|count| *count <= MAX_CONTRIBUTIONS).ok_or(CeremonyError::Malformed { number: 0 })?;
    let read = |number| Contribution::read(&mut parts).ok_or(CeremonyError::Malformed { number });
    let all = (1..=count as usize).map(read).collect::<Result<Vec<_>, _>>()?;
    if parts.0.is_empty() { Ok(all) } else { Err(CeremonyError::Malformed { number: all.len() + 1 }) }
}

/// [`read`]'s opposite.
pub fn write(contributions: &[Contribution]) -> Vec<u8> {
    let mut out = (contributions.len() as u32).to_le_bytes().to_vec();
    contributions.iter().for_each(|contribution| contribution.write(&mut out));
    out
}

/// Checks a whole transcript, from the generators on: each contribution builds on the one before, by factors that its
/// maker knew and that are not 1, and a beacon is the last one and what its value gives. Returns what the last one
/// left. `first` is the hash that the ceremony began with.
///
/// # Errors
/// The first thing wrong.
pub fn check(contributions: &[Contribution], first: [u8; 64]) -> Result<Secrets, CeremonyError> {
    let (mut secrets, mut hash) = (Secrets::ones(), first);
    for (i, contribution) in contributions.iter().enumerate() {
        let fault = |fault| CeremonyError::Contribution { number: i + 1, name: contribution.name(), fault };
        if i.checked_sub(1).and_then(|before| contributions.get(before)).is_some_and(|before| before.beacon.is_some()) {
            return Err(fault(Fault::AfterBeacon));
        }
        contribution.check(&secrets, &hash).map_err(fault)?;
        (secrets, hash) = (contribution.secrets, contribution.next);
    }
    if contributions.is_empty() { Err(CeremonyError::NoContributions) } else { Ok(secrets) }
}
