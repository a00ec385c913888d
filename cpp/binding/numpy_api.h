// NumPy's C API for the binding files: module.cc imports it, the others find it.
#pragma once

#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL logitloss_array_api
#define PY_UFUNC_UNIQUE_SYMBOL logitloss_ufunc_api
#ifndef LOGITLOSS_IMPORTS_NUMPY
#define NO_IMPORT_ARRAY
#define NO_IMPORT_UFUNC
#endif
#include <Python.h>
#include <numpy/arrayobject.h>
#include <numpy/ufuncobject.h>

#include "logitloss.h"

namespace logitloss {

// The type of an array's elements, byte order aside; false where there is no kernel for it.
bool type_of(PyArrayObject* array, Type& type);

// Makes every ufunc and hands it to keep(name, ufunc); null with a Python error set stands for one that failed.
void make_ufuncs(void (*keep)(void* context, const char* name, PyObject* ufunc), void* context);

}  // namespace logitloss
