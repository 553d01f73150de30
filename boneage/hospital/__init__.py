"""Results for hospitals: DICOM and FHIR objects, a listener, reports, follow-up and what is logged of it all."""
