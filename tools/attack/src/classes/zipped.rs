//! gzip that is much more when it is unpacked, or much work.

use std::io::Write as _;

use anyhow::Result;
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Client;

use crate::attack::{Attack, Context, Observation, Target};

const CLASS: &str = "gzip";
/// The longest body that a collector takes.
const MAX_BODY: usize = 16 << 20;

/// So many zeros, packed.
pub(super) fn bomb(bytes: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..bytes >> 20 {
        // Writing to memory cannot fail.
        let _ = encoder.write_all(&zeros);
    }
    encoder.finish().unwrap_or_default()
}

/// Some bytes, packed.
fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

type MakeBytes = fn(&Context) -> Vec<u8>;

pub(super) fn attacks() -> Vec<Attack> {
    let empty: MakeBytes = |_| packed(&[]).repeat(MAX_BODY / packed(&[]).len());
    let cases: [(&str, &str, MakeBytes); 10] = [
        ("a bomb", "gzip", |context| bomb(context.scale(1 << 30, 128 << 20))),
        ("a bomb in a bomb", "gzip", |context| packed(&bomb(context.scale(1 << 30, 128 << 20)))),
        ("empty members for 16 MiB", "gzip", empty),
        ("members of one byte for a megabyte", "gzip", |_| {
            packed(b" ").repeat((1 << 20) / packed(b" ").len())
        }),
        ("a body that ends early", "gzip", |_| packed(&[b' '; 10_000])[..40].to_vec()),
        ("a wrong checksum", "gzip", |_| [&packed(b"{}")[..packed(b"{}").len() - 8], &[0; 8]].concat()),
        ("bytes behind the end", "gzip", |_| [packed(b"{}"), vec![7; 1 << 20]].concat()),
        ("a name of a megabyte", "gzip", |_| {
            [&[31, 139, 8, 8, 0, 0, 0, 0, 0, 3][..], &vec![b'n'; 1 << 20]].concat()
        }),
        ("an unknown encoding", "br", |_| vec![0; 100]),
        ("two encodings", "gzip, gzip", |_| packed(&packed(b"{}"))),
    ];
    let mut all = Vec::new();
    for (name, encoding, made) in cases {
        all.push(sent(name, "/v1/traces", encoding, made));
    }
    all.push(sent("empty members to the records' door", "/v1/records", "gzip", empty));
    all
}

/// Several at a time, each of which must be refused by the client's fault.
fn sent(name: &str, path: &'static str, encoding: &'static str, made: MakeBytes) -> Attack {
    Attack::alone(CLASS, format!("{CLASS}: {name}"), Target::Collector, move |context: Context| async move {
        let body = made(&context);
        let client = Client::builder().no_proxy().build()?;
        let one = || async {
            let request = client.post(format!("http://{}{path}", context.to));
            let request =
                request.header("content-type", "application/json").header("content-encoding", encoding);
            let token = context.token.as_deref().unwrap_or_default();
            let answer = request.bearer_auth(token).body(body.clone()).send().await;
            // The connection may be closed while the body is still on its way.
            let Ok(answer) = answer else { return Ok(None) };
            let status = answer.status();
            let is_refused = status.is_client_error() || status.as_u16() == 503;
            Ok::<_, anyhow::Error>((!is_refused).then(|| format!("it answered {status}")))
        };
        let answers = futures::future::try_join_all((0..4).map(|_| one())).await;
        let complaint: Result<Option<String>> = answers.map(|all| all.into_iter().flatten().next());
        Ok(Observation::sent(4_u64).with(complaint?))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_bomb_unpacks_to_what_it_says() {
        let mut unpacked = Vec::new();
        let bomb = bomb(3 << 20);
        flate2::read::GzDecoder::new(bomb.as_slice()).read_to_end(&mut unpacked).unwrap();
        assert_eq!((unpacked.len(), bomb.len() < 10_000), (3 << 20, true));
    }
}
