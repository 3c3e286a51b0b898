/* The short vectors that host code names. */
#ifndef TENON_NO_CUDA_VECTOR_TYPES_H
#define TENON_NO_CUDA_VECTOR_TYPES_H

#define TENON_VECTORS(type, name)                                        \
  struct name##1 {                                                       \
    type x;                                                              \
  };                                                                     \
  struct name##2 {                                                       \
    type x, y;                                                           \
  };                                                                     \
  struct name##3 {                                                       \
    type x, y, z;                                                        \
  };                                                                     \
  struct name##4 {                                                       \
    type x, y, z, w;                                                     \
  };                                                                     \
  typedef struct name##1 name##1;                                        \
  typedef struct name##2 name##2;                                        \
  typedef struct name##3 name##3;                                        \
  typedef struct name##4 name##4;                                        \
  static inline name##1 make_##name##1(type x) {                         \
    name##1 v = {x};                                                     \
    return v;                                                            \
  }                                                                      \
  static inline name##2 make_##name##2(type x, type y) {                 \
    name##2 v = {x, y};                                                  \
    return v;                                                            \
  }                                                                      \
  static inline name##3 make_##name##3(type x, type y, type z) {         \
    name##3 v = {x, y, z};                                               \
    return v;                                                            \
  }                                                                      \
  static inline name##4 make_##name##4(type x, type y, type z, type w) { \
    name##4 v = {x, y, z, w};                                            \
    return v;                                                            \
  }

TENON_VECTORS(signed char, char)
TENON_VECTORS(unsigned char, uchar)
TENON_VECTORS(short, short)
TENON_VECTORS(unsigned short, ushort)
TENON_VECTORS(int, int)
TENON_VECTORS(unsigned int, uint)
TENON_VECTORS(float, float)
TENON_VECTORS(double, double)
#undef TENON_VECTORS

#endif
