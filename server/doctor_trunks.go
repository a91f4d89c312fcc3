package server

import (
	"cmp"
	"context"

	"github.com/sidetone/sidetone/client"
)

// trunkRisks warns of what a trunk is told to do without. name is how the findings call it.
func trunkRisks(name string, t Trunk) []Finding {
	var out []Finding
	warn := func(detail, fix string) {
		out = append(out, Finding{Name: name, Optional: true, Detail: detail, Fix: fix})
	}
	if t.TLS.Insecure {
		fix := "tls.ca_file to the trunk's authority"
		if t.EnvironmentID != "" { // which cannot name files
			fix = "tls.server_name to the name in the trunk's certificate"
		}
		warn("takes any certificate (tls.insecure)", "whoever is in between can hear and change calls: set "+fix+", and tls.insecure to false")
	}
	if t.Media.SRTPOverClear && (t.Media.SRTP == "prefer" || t.Media.SRTP == "require") {
		warn("SRTP keys may go without TLS (media.srtp_over_clear), where whoever reads the signalling can hear the calls",
			"set transport: tls and remove media.srtp_over_clear, if the carrier has TLS")
	}
	if t.Media.Sources == "learn" {
		detail, fix := "sound is taken from any address while the trunk names a private one (media.sources: learn): whoever sends first is heard, and hears the call",
			"set media.sources to peer if the trunk's sound comes from its own addresses, or encrypt it: media.srtp: require"
		if t.Media.SRTP == "require" {
			detail, fix = "sound is taken from any address that has the keys (media.sources: learn)", "set media.sources to peer if the trunk's sound comes from its own addresses"
		}
		warn(detail, fix)
	}
	return out
}

// checkTrunkSettings warns of those of the configuration.
func checkTrunkSettings(c SIPConfig) (all []Finding) {
	for _, t := range c.Trunks {
		all = append(all, trunkRisks("trunk "+t.Name, t)...)
	}
	return all
}

// environmentTrunks warns of those that an environment set up for itself.
func environmentTrunks(ctx context.Context, api *client.Client, e client.Environment) (all []Finding, err error) {
	for t, err := range api.Trunks().All(ctx, client.Query{Size: 100}) {
		if err != nil {
			return all, err
		}
		known := Trunk{Name: t.Name, EnvironmentID: e.ID, Transport: t.Transport}
		if t.TLS != nil {
			known.TLS.Insecure = t.TLS.Insecure != nil && *t.TLS.Insecure
		}
		if t.Media != nil {
			known.Media = TrunkMedia{Sources: t.Media.Sources, SRTP: t.Media.SRTP, SRTPOverClear: t.Media.SRTPOverClear != nil && *t.Media.SRTPOverClear}
		}
		all = append(all, trunkRisks("trunk "+t.Name+" of environment "+cmp.Or(e.Name, e.ID), known)...)
	}
	return all, nil
}
