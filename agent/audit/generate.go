package audit

// The object is for every little-endian machine. The checksums hold the committed
// object to the committed source: TestObjectIsOfThisSource needs no compiler.
//
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -type actor -type request -type sysctl_write audit bpf/audit.c -- -Wall -Werror
//go:generate sh -c "sha256sum bpf/audit.c bpf/kernel.h generate.go audit_bpfel.go audit_bpfel.o >bpf/SHA256SUMS"
