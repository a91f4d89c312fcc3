package api

import "github.com/sidetone/sidetone"

// pauseRecording makes the recording of a live call silent, or ends that.
func (s *server) pauseRecording(r *request) (any, error) {
	d := newDecoder(r.view.profile, r.body)
	paused := d.Bool("paused")
	if err := d.Err(); err != nil {
		return nil, err
	}
	if !paused.Set || paused.Null {
		return nil, invalid("paused is required")
	}
	call, _, err := s.call(r, r.query.Get("id"))
	switch {
	case err != nil:
		return nil, err
	case call.Status.Terminal():
		return nil, sidetone.Errorf(sidetone.Conflict, "id names a call that is over")
	}
	if err := s.write(r, func(w work) error { return w.tx.PausingRecording(call.ID, paused.Value) }); err != nil {
		return nil, err
	}
	err = s.Calls.PauseRecording(r.ctx, r.who.EnvironmentID, call.ID, paused.Value)
	if sidetone.CodeOf(err) == sidetone.NotFound {
		return nil, sidetone.Errorf(sidetone.Conflict, "id names a call that this server does not run at the moment: ask the one that runs it")
	}
	if err != nil {
		return nil, err
	}
	return object{"id": call.ID, "paused": paused.Value}, nil
}
