# MIST_LOADED(VARIABLE, LIBRARY, HEADER, CALL): what `VARIABLE`_LIBS links a program with, the dynamic loader
# knows by a name (soname), which becomes LIBRARY_SONAME in `VARIABLE`_CFLAGS, in capitals; without one
# (a static library, no objdump) the library is linked. mist_cv_soname_LIBRARY=no asks for that.
AC_DEFUN([MIST_LOADED],
  [AC_CACHE_CHECK([for $2's name to the dynamic loader], [mist_cv_soname_$2],
    [mist_cv_soname_$2=no
     mist_save_LIBS=$LIBS
     mist_save_CFLAGS=$CFLAGS
     CFLAGS="$CFLAGS $$1_CFLAGS"
     LIBS="$$1_LIBS $LIBS"
     AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <$3>]], [[$4;]])],
       [mist_cv_soname_$2=`$OBJDUMP -p conftest$EXEEXT | sed -n 's/^ *NEEDED *\($2[[-.]].*\)$/\1/p'`
        AS_IF([test -z "$mist_cv_soname_$2"], [mist_cv_soname_$2=no])])
     LIBS=$mist_save_LIBS
     CFLAGS=$mist_save_CFLAGS])
   AS_IF([test "x$mist_cv_soname_$2" != xno],
     [$1_CFLAGS="$$1_CFLAGS -D[]m4_toupper([$2])_SONAME='\"$mist_cv_soname_$2\"'"])])
