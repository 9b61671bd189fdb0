package store

import (
	"testing"
	"time"
)

func TestImagesOfBeforeTheyHadRowsAreShown(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, url string) {
		migrateTo(t, url, 16,
			`INSERT INTO accounts (number, id, email, display_name, created_at) VALUES (7, '0123456789abcdef01234567', 'a@example.com', 'A', 1)`,
			`INSERT INTO servers (id, name, image_id, owner, created_at) VALUES ('a1', 'with', '66a282dab13eee0013cbb4d9', 7, 1), ('a2', 'without', NULL, 7, 1)`,
			`INSERT INTO servers (id, name, image_id, owner, created_at, deleted) VALUES ('a3', 'deleted', '66a282dab13eee0013cbb4da', 7, 1, TRUE)`)
		s := open(t, url)
		for id, want := range map[string]bool{"66a282dab13eee0013cbb4d9": true, "66a282dab13eee0013cbb4da": false} {
			if shown, err := s.Images.IsShown(t.Context(), id); err != nil || shown != want {
				t.Errorf("%s is shown: %t (%v), want %t", id, shown, err, want)
			}
		}
		// They have counted for nobody, and do not when they end.
		err := s.Tx(t.Context(), func(tx *Tx) error {
			return tx.Images.Leave(t.Context(), "66a282dab13eee0013cbb4d9", time.Now())
		})
		if bytes, errBytes := s.Images.Bytes(t.Context(), 7); err != nil || errBytes != nil || bytes != 0 {
			t.Errorf("%d bytes (%v, %v)", bytes, err, errBytes)
		}
	})
}
