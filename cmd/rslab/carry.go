package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// packOutputs writes a tar archive of those of paths that exist. An entry is named by its path's number in paths, and
// by the rest of the name below it: where things go is the launcher's decision, not the guest's.
func packOutputs(w io.Writer, paths []string) error {
	archive := tar.NewWriter(w)
	for i, path := range paths {
		err := filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			return packOutput(archive, strconv.Itoa(i)+strings.TrimPrefix(file, path), file, entry)
		})
		if err != nil {
			return fmt.Errorf("carry out %s: %w", path, err)
		}
	}
	return archive.Close()
}

func packOutput(archive *tar.Writer, name, file string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() && !info.IsDir() {
		return nil // sockets, devices: nothing that outlives its machine
	}
	header, err := tar.FileInfoHeader(info, "")
	if err != nil {
		return err
	}
	header.Name, header.Format = name, tar.FormatPAX
	if err := archive.WriteHeader(header); err != nil || info.IsDir() {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(archive, f)
	return err
}

// unpackOutputs writes the archive of packOutputs to paths on the host, over what is there, and returns which of
// them it held. It writes nowhere else, whatever the archive says.
func unpackOutputs(r io.Reader, paths []string) (map[string]bool, error) {
	got := map[string]bool{}
	archive := tar.NewReader(r)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return got, nil
		}
		if err != nil {
			return got, fmt.Errorf("carry out: %w", err)
		}
		number, rest, _ := strings.Cut(header.Name, "/")
		i, err := strconv.Atoi(number)
		if err != nil || i < 0 || i >= len(paths) {
			return got, fmt.Errorf("carry out: unexpected entry %q", header.Name)
		}
		got[paths[i]] = true
		if err := unpackOutput(archive, header, paths[i], rest); err != nil {
			return got, fmt.Errorf("carry out %s: %w", paths[i], err)
		}
	}
}

func unpackOutput(r io.Reader, header *tar.Header, path, rest string) error {
	dir, name := path, rest
	if rest == "" && header.Typeflag != tar.TypeDir {
		dir, name = filepath.Split(path)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil || name == "" {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	mode := header.FileInfo().Mode().Perm()
	if header.Typeflag == tar.TypeDir {
		return root.MkdirAll(filepath.Clean(name), mode|0o700)
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
