//! Which TensorRT: kind and major version are what compiled code and library have to agree on.

use std::fmt;

/// Two products with the same interface, and different headers and libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Product {
    TensorRt,
    /// For desktop GPUs: it has no DLA, and its builder needs no GPU.
    TensorRtRtx,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrtVersion {
    pub product: Product,
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

impl TrtVersion {
    /// From `getInferLibVersion`: 8601 is 8.6.1, from 10 on (and in TensorRT-RTX) 100300 is 10.3.0.
    pub fn from_library(number: u32) -> TrtVersion {
        let unit = if number < 10_000 { 1_000 } else { 10_000 };
        let major = number / unit;
        TrtVersion {
            // TensorRT itself was at 5 when it first ran on a DLA.
            product: match major {
                0..=4 => Product::TensorRtRtx,
                _ => Product::TensorRt,
            },
            major,
            minor: number % unit / 100,
            patch: number % 100,
        }
    }

    /// Whether code compiled against the headers of `self` may call `library`: a later minor version only adds.
    pub fn runs_with(&self, library: &TrtVersion) -> bool {
        (self.product, self.major) == (library.product, library.major) && self.minor <= library.minor
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Product::TensorRt => "TensorRT",
            Product::TensorRtRtx => "TensorRT-RTX",
        })
    }
}

impl fmt::Display for TrtVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TrtVersion {
            product,
            major,
            minor,
            patch,
        } = self;
        write!(f, "{product} {major}.{minor}.{patch}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn library_numbers_read_as_versions() {
        let cases = [
            (8001, "TensorRT 8.0.1"),
            (8502, "TensorRT 8.5.2"),
            (8601, "TensorRT 8.6.1"),
            (100300, "TensorRT 10.3.0"),
            (101401, "TensorRT 10.14.1"),
            (110400, "TensorRT 11.4.0"),
            (10701, "TensorRT-RTX 1.7.1"),
        ];
        for (number, want) in cases {
            assert_eq!(TrtVersion::from_library(number).to_string(), want);
        }
    }

    #[test]
    fn a_library_needs_the_headers_major_and_at_least_their_minor_version() {
        let cases = [
            (8502, 8502, true, "the same"),
            (8502, 8601, true, "a later minor version only adds"),
            (8601, 8502, false, "the headers have what it lacks"),
            (8502, 100300, false, "another major version"),
            (10701, 100701, false, "another product"),
        ];
        for (headers, library, want, why) in cases {
            let [headers, library] = [headers, library].map(TrtVersion::from_library);
            assert_eq!(headers.runs_with(&library), want, "{why}");
        }
    }
}
