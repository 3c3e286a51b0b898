// The level that the façade is compiled for. What later levels added stands under `#if NV_TENSORRT_MAJOR >= n`, which
// level `all` meets too; what they dropped under `#if TRT_UNTIL(n)`.
#pragma once
#include <NvInferVersion.h>

#ifdef TENON_TRT_ALL
#define TRT_UNTIL(last) 1
#else
/// True at the levels up to `last`, and at level `all`.
#define TRT_UNTIL(last) (NV_TENSORRT_MAJOR <= (last))
#endif

/// What C entry points are declared with: from level 8 on, those of the parser from 10 on.
#if NV_TENSORRT_MAJOR >= 8
#define TRT_ENTRY_NOEXCEPT noexcept
#else
#define TRT_ENTRY_NOEXCEPT
#endif
#if NV_TENSORRT_MAJOR >= 10
#define TRT_PARSER_NOEXCEPT noexcept
#else
#define TRT_PARSER_NOEXCEPT
#endif

#define TRT_JOIN(name, level) name##level
#define TRT_JOINED(name, level) TRT_JOIN(name, level)
#ifdef TENON_TRT_ALL
#define TRT_LEVEL_NAME(name) name##all
#else
/// A name that ends in the level.
#define TRT_LEVEL_NAME(name) TRT_JOINED(name, NV_TENSORRT_MAJOR)
#endif
