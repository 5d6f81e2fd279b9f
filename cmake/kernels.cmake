# Each kernel set has flags of its own and shares no inline function with other files: the linker may keep one copy of
# an inline function, and it must not be one that needs instructions the machine lacks.
file(GLOB avx2 CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/kernels/avx2/*.cc)
file(GLOB avx512 CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/kernels/avx512/*.cc)
file(GLOB amx CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/kernels/amx/*.cc)
# gcc 12 takes its own header's _mm512_undefined_ps() for a mistake of ours.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(quiet "-Wno-uninitialized;-Wno-maybe-uninitialized")
endif()
set_source_files_properties(${avx2} PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma;-mf16c")
set_source_files_properties(${avx512} ${amx} PROPERTIES COMPILE_OPTIONS
  "-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mavx2;-mfma;-mf16c;-mprefer-vector-width=512;${quiet}")
# Only where the machine has it (kernels.cc).
set_property(SOURCE ${CMAKE_SOURCE_DIR}/src/kernels/avx512/matmul_blocks.cc APPEND PROPERTY COMPILE_OPTIONS "-mavx512vnni")
set_property(SOURCE ${amx} APPEND PROPERTY COMPILE_OPTIONS "-mavx512vnni;-mamx-tile;-mamx-bf16;-mamx-int8")

# Under AddressSanitizer each access is a call, since checks in line take minutes to compile; undefined behaviour is looked
# for in the plain set, whose code the others share.
if(GLASSBOX_SANITIZE MATCHES "address" AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  set_property(SOURCE ${avx2} ${avx512} ${amx} APPEND PROPERTY COMPILE_OPTIONS
    -fno-sanitize=undefined -mllvm -asan-instrumentation-with-call-threshold=0)
endif()
