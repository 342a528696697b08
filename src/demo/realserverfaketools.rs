//! `realserverfaketools`: schemas of every shape (numbers with bounds, lists, objects, optional values), with answers
//! that depend on the arguments alone, so that a test can expect them.

use rmcp::handler::server::wrapper::Parameters;
use rmcp::{schemars, tool, tool_router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Debug, Clone)]
pub(super) struct FakeTools;

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(default)]
struct Flux {
    /// Energy level, 1 to 10.
    #[schemars(range(min = 1, max = 10))]
    energy_level: i64,
    /// Stabilization factor, 0 to 1.
    stabilization_factor: f64,
    /// Whether to shift in time.
    enable_temporal_shift: bool,
}

impl Default for Flux {
    fn default() -> Self {
        Self {
            energy_level: 5,
            stabilization_factor: 0.75,
            enable_temporal_shift: false,
        }
    }
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Patterns {
    /// Patterns to put together.
    input_patterns: Vec<String>,
    /// How well they must fit, 0 to 1.
    #[serde(default = "coherence")]
    coherence_threshold: f64,
    /// In how many dimensions, 1 to 10.
    #[serde(default = "three")]
    dimensions: i64,
}

fn coherence() -> f64 {
    0.7
}

fn three() -> i64 {
    3
}

/// A point on the globe.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Coordinates {
    /// Degrees north.
    latitude: f64,
    /// Degrees east.
    longitude: f64,
    /// Metres above the sea.
    #[serde(default)]
    altitude: Option<f64>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Mapping {
    /// What is mapped.
    coordinates: Coordinates,
    /// Into how many dimensions, 4 to 11.
    #[serde(default = "five")]
    dimension_count: i64,
    /// How firmly it is tied to reality, 0 to 1.
    #[serde(default = "anchoring")]
    reality_anchoring: f64,
}

fn five() -> i64 {
    5
}

fn anchoring() -> f64 {
    0.8
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Anomalies {
    /// From when to when.
    timeframe: Timeframe,
    /// How fine the search is, 1 to 10.
    #[serde(default = "seven")]
    sensitivity: i64,
    /// Which kinds are looked for.
    #[serde(default)]
    anomaly_types: Vec<String>,
}

/// A span of time.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Timeframe {
    /// RFC 3339.
    start: String,
    /// RFC 3339.
    end: String,
}

fn seven() -> i64 {
    7
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Profile {
    /// The person.
    profile: Map<String, Value>,
    /// What to look at.
    #[serde(default)]
    analysis_options: Map<String, Value>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Synthesis {
    /// Field names, each with a type: `string`, `integer`, `number` or `boolean`.
    schema: Map<String, Value>,
    /// How many records, 1 to 100.
    #[serde(default = "ten")]
    record_count: i64,
    /// The same seed gives the same records.
    #[serde(default)]
    seed: Option<i64>,
}

fn ten() -> i64 {
    10
}

fn within(field: &str, value: i64, least: i64, most: i64) -> Result<(), String> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(format!("{field}: expected {least} to {most}, not {value}"))
    }
}

#[tool_router(server_handler)]
impl FakeTools {
    #[tool(description = "Analyze quantum flux patterns at an energy level, with stabilization")]
    fn quantum_flux_analyzer(&self, Parameters(flux): Parameters<Flux>) -> Result<String, String> {
        within("energy_level", flux.energy_level, 1, 10)?;
        let level = u32::try_from(flux.energy_level).map_or(0.0, f64::from);
        Ok(json!({
            "energy_level": flux.energy_level,
            "flux": level * flux.stabilization_factor,
            "temporal_shift": flux.enable_temporal_shift,
            "stable": flux.stabilization_factor >= 0.5,
        })
        .to_string())
    }

    #[tool(description = "Synthesize neural patterns from several inputs into one coherent structure")]
    fn neural_pattern_synthesizer(&self, Parameters(wish): Parameters<Patterns>) -> Result<String, String> {
        within("dimensions", wish.dimensions, 1, 10)?;
        Ok(json!({
            "pattern": wish.input_patterns.join("+"),
            "coherence_threshold": wish.coherence_threshold,
            "dimensions": wish.dimensions,
        })
        .to_string())
    }

    #[tool(description = "Map geographic coordinates to a space of more dimensions")]
    fn hyper_dimensional_mapper(&self, Parameters(wish): Parameters<Mapping>) -> Result<String, String> {
        within("dimension_count", wish.dimension_count, 4, 11)?;
        let place = &wish.coordinates;
        Ok(json!({
            "projection": [place.latitude, place.longitude, place.altitude.unwrap_or(0.0)],
            "dimension_count": wish.dimension_count,
            "reality_anchoring": wish.reality_anchoring,
        })
        .to_string())
    }

    #[tool(description = "Detect temporal anomalies in a span of time")]
    fn temporal_anomaly_detector(&self, Parameters(wish): Parameters<Anomalies>) -> Result<String, String> {
        within("sensitivity", wish.sensitivity, 1, 10)?;
        let span = json!({"start": wish.timeframe.start, "end": wish.timeframe.end});
        Ok(json!({"timeframe": span, "types": wish.anomaly_types, "anomalies": []}).to_string())
    }

    #[tool(description = "Analyze a user profile and say what stands out")]
    fn user_profile_analyzer(&self, Parameters(wish): Parameters<Profile>) -> String {
        let fields: Vec<&String> = wish.profile.keys().collect();
        json!({"fields": fields, "complete": !wish.profile.is_empty(), "options": wish.analysis_options})
            .to_string()
    }

    #[tool(description = "Generate synthetic records after a schema")]
    fn synthetic_data_generator(&self, Parameters(wish): Parameters<Synthesis>) -> Result<String, String> {
        within("record_count", wish.record_count, 1, 100)?;
        let seed = wish.seed.unwrap_or(1);
        let field = |number: i64, kind: &Value| match kind.as_str() {
            Some("integer") => json!(number.wrapping_mul(7).wrapping_add(seed)),
            Some("number") => json!(number.wrapping_add(seed)),
            Some("boolean") => json!(number % 2 == 0),
            _ => json!(format!("value-{seed}-{number}")),
        };
        let record = |number: i64| {
            let fields = wish
                .schema
                .iter()
                .map(|(name, kind)| (name.clone(), field(number, kind)));
            Value::Object(fields.collect())
        };
        let records: Vec<Value> = (1..=wish.record_count).map(record).collect();
        Ok(json!({ "records": records }).to_string())
    }
}
