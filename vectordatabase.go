package sidetone

import "time"

// VectorDatabase is a customer's index of texts that agents may look things up
// in.
type VectorDatabase struct {
	ID            string
	EnvironmentID string
	// Type is vector_database_pinecone.
	Type string
	// Index is its name at the vendor.
	Index string
	// APIKey opens it.
	APIKey Secret
	// APIEnvironment is the vendor's region.
	APIEnvironment string
	Version        int64
	Created        time.Time
	Updated        time.Time
}

// NewVectorDatabase returns a vector database with the only type there is.
func NewVectorDatabase(id, environmentID string, now time.Time) VectorDatabase {
	return VectorDatabase{ID: id, EnvironmentID: environmentID, Type: "vector_database_pinecone", Created: now, Updated: now}
}

// VectorDatabaseChange is a partial update of a VectorDatabase.
type VectorDatabaseChange struct {
	Type           Optional[string]
	Index          Optional[string]
	APIKey         Optional[Secret]
	APIEnvironment Optional[string]
}

// Apply carries the change out on v.
func (c VectorDatabaseChange) Apply(v *VectorDatabase, now time.Time) {
	c.Type.Apply(&v.Type, "vector_database_pinecone")
	c.Index.Apply(&v.Index, "")
	c.APIKey.Apply(&v.APIKey, "")
	c.APIEnvironment.Apply(&v.APIEnvironment, "")
	v.Updated = now
}

// Validate checks that everything is given; the message starts with the
// property's path.
func (v VectorDatabase) Validate() error {
	if v.Type != "vector_database_pinecone" {
		return Errorf(Invalid, "type must be vector_database_pinecone")
	}
	for _, need := range []struct{ path, value string }{
		{"index", v.Index}, {"api_key", v.APIKey.Reveal()}, {"api_environment", v.APIEnvironment},
	} {
		if need.value == "" {
			return Errorf(Invalid, "%s is required", need.path)
		}
		if err := maxLength(need.path, need.value, 1024); err != nil {
			return err
		}
	}
	return nil
}
