// s3d.js FOLDER - an object store on a free port of this machine, which it prints; for store.bats.
// Objects are kept in FOLDER; bucket "b"; key and secret are S3RVER. The second part of an object with
// "broken" in its name is refused. s3rver knows no AbortMultipartUpload, so that is added here.
const fs = require('fs');
const path = require('path');
const S3rver = require('@20minutes/s3rver');

const folder = process.argv[2];
const server = new S3rver({
	port: 0, address: '127.0.0.1', silent: true, directory: folder,
	configureBuckets: [{ name: 'b' }],
});
server.middleware.unshift((ctx, next) => {
	const { partNumber, uploadId } = ctx.query;

	if (ctx.method === 'DELETE' && uploadId) {
		fs.rmSync(path.join(folder, 'b', '._S3rver_uploads', uploadId), { recursive: true });
		ctx.status = 204;
		return undefined;
	}
	if (!ctx.path.includes('broken') || partNumber !== '2')
		return next();
	ctx.req.resume();
	ctx.status = 400;
	return undefined;
});
server.run().then((address) => console.log(address.port));
