package delivery_test

import (
	"os"
	"testing"

	"github.com/sidetone/sidetone/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }
