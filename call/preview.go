package call

// Preview fills the ${name} placeholders of a prompt or greeting as a call with
// that context, a JSON object, does.
func Preview(text string, context []byte) string { return fillPlaceholders(text, context) }
