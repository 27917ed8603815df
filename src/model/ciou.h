/*
 * ciou.h - complete intersection over union of two boxes and its gradient (Zheng et al. 2020,
 * "Distance-IoU Loss", equations 10 to 13; as Ultralytics YOLOv5's bbox_iou with CIoU=True, whose
 * weight alpha is taken as a constant in the gradient).
 *
 *	CIoU = IoU - rho^2 / c^2 - alpha v
 *
 * rho: distance of the centres; c: diagonal of the smallest enclosing box;
 * v = 4/pi^2 (atan(w'/h') - atan(w/h))^2; alpha = v / (1 - IoU + v).
 */
#ifndef MIST_MODEL_CIOU_H
#define MIST_MODEL_CIOU_H

/* Boxes are x, y of the centre, w, h. grad: with respect to `box`, or NULL. */
double ciou(const double box[4], const double target[4], double grad[4]);

#endif
