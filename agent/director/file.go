package director

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// SaveFile is [Director.Save] to a file, readable by its owner only. The file is replaced whole or not at all.
func (d *Director) SaveFile(path string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("ipvs table: save: %w", err)
	}
	defer func() {
		if err != nil {
			// Whichever of these has been done already fails, and says nothing new.
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if err := d.Save(f); err != nil {
		return err
	}
	// Without the sync a crash may leave the new name with nothing in it.
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("ipvs table: save: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("ipvs table: save: %w", err)
	}
	return nil
}

// RestoreFile is [Director.Restore] from a file; its errors name the file.
func (d *Director) RestoreFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("ipvs restore: %w", err)
	}
	defer f.Close()
	if err := d.Restore(f); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
