package api

import "time"

// getUsage says how much the environment talked on the telephone this month,
// which begins with its first day in UTC. Nothing is limited here.
func (s *server) getUsage(r *request) (any, error) {
	var talked time.Duration
	err := s.read(r, func(w work) (err error) {
		now := w.tx.Now().UTC()
		talked, err = w.tx.Talked(time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC))
		return err
	})
	return object{
		"user_id": r.view.account, "plan_type": "plan_unlimited", "monthly_usage_limit_minutes": nil,
		"monthly_usage_minutes": int64((talked + time.Minute - 1) / time.Minute),
	}, err
}
