//! JSON Schema of [`Report`](crate::report::Report).

use serde_json::{Value, json};

/// The result schema in the analyzer's manifest.
pub fn result_schema() -> Value {
    let object = |properties: Value| {
        let required: Vec<&String> =
            properties.as_object().map(|known| known.keys().collect()).unwrap_or_default();
        json!({
            "type": "object", "additionalProperties": false,
            "required": required, "properties": properties
        })
    };
    let text = json!({"type": "string"});
    let optional_text = json!({"type": ["string", "null"]});
    let fraction = json!({"type": "number", "minimum": 0, "maximum": 1});
    let index = json!({"type": "integer", "minimum": 0});
    let flag = json!({"type": "boolean"});
    let optional_flag = json!({"type": ["boolean", "null"]});
    let point = json!({"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2});
    let quad = json!({
        "type": "array", "items": point, "minItems": 4, "maxItems": 4,
        "description": "Corners clockwise from the top left, in pixels of the upright picture."
    });
    let or_null = |schema: &Value| json!({"anyOf": [schema, {"type": "null"}]});
    let list = |items: Value| json!({"type": "array", "items": items});
    let medium = object(json!({
        "medium": index, "side": {"enum": ["FRONT", "BACK"]}, "document": or_null(&quad),
        "rotation": {"enum": [0, 90, 180, 270]},
        "quality": object(json!({
            "sharpness": fraction, "glare": fraction, "grey": flag, "moire": fraction,
            "cutOff": flag, "widthPx": index
        }))
    }));
    let field = object(json!({
        "name": {"enum": [
            "SURNAME", "GIVEN_NAMES", "DOCUMENT_NUMBER", "ISSUING_STATE", "NATIONALITY",
            "DATE_OF_BIRTH", "SEX", "DATE_OF_EXPIRY", "DATE_OF_ISSUE", "PERSONAL_NUMBER",
            "PLACE_OF_BIRTH", "AUTHORITY", "ADDRESS"
        ]},
        "value": text,
        "status": {"enum": ["match", "mismatch", "only_mrz", "only_visual", "only_barcode"]},
        "mrz": optional_text, "visual": optional_text, "barcode": optional_text,
        "confidence": or_null(&fraction), "medium": or_null(&index), "quad": or_null(&quad)
    }));
    let mrz = object(json!({
        "medium": index, "quad": quad,
        "format": {"enum": [
            "TD1", "TD2", "TD3", "MRV_A", "MRV_B", "FRENCH_ID", "SWISS_LICENCE",
            "FRENCH_LICENCE"
        ]},
        "lines": list(text.clone()), "valid": flag, "corrected": flag,
        "checkDigits": object(json!({
            "documentNumber": optional_flag, "dateOfBirth": optional_flag,
            "dateOfExpiry": optional_flag, "personalNumber": optional_flag,
            "composite": optional_flag
        })),
        "documentCode": text, "issuingState": text, "issuingStateName": optional_text,
        "surname": text, "givenNames": text, "documentNumber": text, "nationality": text,
        "nationalityName": optional_text, "dateOfBirth": text, "sex": text, "dateOfExpiry": text,
        "optionalData": optional_text, "optionalData2": optional_text
    }));
    let barcode = object(json!({
        "medium": index, "quad": quad,
        "format": {"enum": ["PDF417", "QR_CODE", "DATA_MATRIX", "AZTEC"]},
        "text": optional_text, "base64": optional_text,
        "elements": list(object(json!({"id": text, "name": optional_text, "value": text})))
    }));
    let portrait = object(
        json!({"medium": index, "quad": quad, "confidence": fraction, "artifact": optional_text}),
    );
    let line = object(json!({"medium": index, "text": text, "confidence": fraction, "quad": quad}));
    let mut schema = object(json!({
        "type": {"enum": ["PASSPORT", "VISA", "ID_CARD", "DRIVING_LICENCE", "UNKNOWN"]},
        "media": list(medium), "fields": list(field), "mrz": or_null(&mrz),
        "barcodes": list(barcode), "portrait": or_null(&portrait), "lines": list(line)
    }));
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema
}
